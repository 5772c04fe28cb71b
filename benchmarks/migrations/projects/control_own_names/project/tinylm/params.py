from dataclasses import dataclass, field
from typing import Callable, List, Optional


@dataclass
class GuidedDecodingParams:
    choice: Optional[List[str]] = None
    regex: Optional[str] = None


@dataclass
class BeamSearchParams:
    beam_width: int = 4


@dataclass
class SamplingParams:
    n: int = 1
    best_of: Optional[int] = None
    temperature: float = 1.0
    top_k: int = -1
    max_tokens: int = 16
    logprobs: Optional[int] = None
    use_beam_search: bool = False
    logits_processors: List[Callable] = field(default_factory=list)
    guided_decoding: Optional[GuidedDecodingParams] = None
