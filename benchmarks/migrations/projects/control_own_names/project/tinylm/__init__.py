"""A tiny inference library. Its names are vLLM's; nothing else is."""
from tinylm.llm import LLM
from tinylm.params import BeamSearchParams, GuidedDecodingParams, SamplingParams

__all__ = ["LLM", "BeamSearchParams", "GuidedDecodingParams", "SamplingParams"]
