from typing import List, Optional

try:
    from vllm.sampling_params import GuidedDecodingParams

    HAS_GUIDED = True
except ImportError:  # vllm < 0.6.4
    GuidedDecodingParams = None
    HAS_GUIDED = False


def choice_constraint(choices: List[str]) -> Optional["GuidedDecodingParams"]:
    return GuidedDecodingParams(choice=choices) if HAS_GUIDED else None


def regex_constraint(pattern: str) -> Optional["GuidedDecodingParams"]:
    if not HAS_GUIDED:
        return None
    return GuidedDecodingParams(regex=pattern)
