"""Forced decoding in the V2 model runner, by vLLM's own trace replay.

NOT YET RUN: written against the source of 0.32.0, where this runner needs Triton, so a GPU. It is the default
there. `enable_trace_replay` at construction and `SamplingParams.trace_decode_token_ids` per request replace
the sampled ids after processing, with real logprobs of the unmodified distribution. The raw logprobs can't be
tapped without leaving the GPU's graph; flip `logprobs_mode` and replay again instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .backend import WorkerError

if TYPE_CHECKING:
    from .protocol import LoadRequest
    from .vllm_engine import ForcedSequences

MODES = ("raw_logprobs", "processed_logprobs")


def wants_v2(request: LoadRequest) -> bool:
    """Whether vLLM would choose the V2 model runner for these arguments and offers trace replay there.

    The option must be given at construction and is refused by the V1 runner, so vLLM's own choice is asked
    for first.
    """
    import torch

    if not torch.cuda.is_available():
        return False  # the V2 runner needs Triton
    from vllm.engine.arg_utils import EngineArgs

    if "enable_trace_replay" not in getattr(EngineArgs, "__dataclass_fields__", {}):
        return False
    arguments = {**request.harness_args, **request.engine_args}
    try:
        config = EngineArgs(model=request.model, **arguments).create_engine_config()
    except Exception as error:
        raise WorkerError("start", f"{type(error).__name__}: {error}".splitlines()[0]) from error
    return bool(getattr(config, "use_v2_model_runner", False))


class V2Forcing:
    """Forces and flips one V2 model runner."""

    def __init__(self, model_runner: Any, forced: ForcedSequences) -> None:
        del forced
        self._model_runner = model_runner
        self._sampler = model_runner.sampler
        if getattr(self._sampler, "trace_replay_state", None) is None:
            raise WorkerError(
                "unsupported",
                "this release's V2 model runner offers no trace replay; "
                "VLLM_USE_V2_MODEL_RUNNER=0 selects the V1 runner",
            )

    @staticmethod
    def params(key: int, tokens: list[int]) -> dict[str, Any]:
        """Extra SamplingParams that make a request follow `tokens`."""
        del key
        return {"trace_decode_token_ids": tokens}

    def logprobs_mode(self) -> str:
        """The mode the sampler works in."""
        return str(self._sampler.logprobs_mode)

    def flip_logprobs_mode(self, mode: str) -> dict[str, Any]:
        """Switch what is reported: this sampler reads the mode at every call."""
        if mode not in MODES:
            raise WorkerError(
                "unsupported", f"logprobs_mode can be flipped between {' and '.join(MODES)}, not {mode}"
            )
        was = self.logprobs_mode()
        self._sampler.logprobs_mode = mode
        self._model_runner.model_config.logprobs_mode = mode
        return {"live": True, "was": was, "why": ""}
