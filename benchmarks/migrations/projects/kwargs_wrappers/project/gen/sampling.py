from typing import Any, Dict, List, Optional

from vllm import SamplingParams
from vllm.sampling_params import GuidedDecodingParams

BASE: Dict[str, Any] = dict(temperature=0.8, top_p=0.95, max_tokens=40, logprobs=0, best_of=None)


def params(**overrides) -> SamplingParams:
    merged = {**BASE, **overrides}
    return SamplingParams(**merged)


def guided(regex: Optional[str] = None, choice: Optional[List[str]] = None, **overrides) -> SamplingParams:
    constraint = None
    if regex is not None:
        constraint = GuidedDecodingParams(regex=regex, backend="xgrammar")
    elif choice is not None:
        constraint = GuidedDecodingParams(choice=choice)
    return params(guided_decoding=constraint, **overrides)


class SamplingFactory:
    """Keeps a template; every request gets its own copy."""

    def __init__(self, **template):
        self.template = SamplingParams(**template)

    def make(self, n=1):
        fresh = self.template.clone()
        fresh.n = n
        return fresh
