"""Which model runner came up, and how decoding is forced in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .v1_runner import V1Forcing
from .v2_runner import V2Forcing

if TYPE_CHECKING:
    from .vllm_engine import ForcedSequences

V0, V1, V2 = "v0", "v1-model-runner", "v2-model-runner"

_OF_V1 = {"vllm.v1.worker.gpu_model_runner": V1, "vllm.v1.worker.gpu.model_runner": V2}
_OF_V0 = "vllm.worker."

FORCING: dict[str, type[V1Forcing | V2Forcing]] = {V1: V1Forcing, V2: V2Forcing}


def v1_runner_name(model_runner: Any) -> str:
    """Asserted from the classes of a model runner of V1: both runners may be subclassed for the CPU.

    Raises:
        WorkerError: "start" where it is neither.
    """
    for ancestor in type(model_runner).__mro__:
        if ancestor.__module__ in _OF_V1:
            return _OF_V1[ancestor.__module__]
    raise WorkerError("start", f"unknown model runner {type(model_runner).__module__}")


def v0_runner_name(model_runner: Any) -> str:
    """Asserted from the module of a model runner of V0.

    Raises:
        WorkerError: "start" where it is another engine's.
    """
    module = type(model_runner).__module__
    if not module.startswith(_OF_V0):
        raise WorkerError("start", f"asked for V0's model runner, but {module} is running")
    return V0


def make_forcing(model_runner: Any, forced: ForcedSequences) -> V1Forcing | V2Forcing:
    """Hook a model runner of V1."""
    return FORCING[v1_runner_name(model_runner)](model_runner, forced)


def model_of(model_runner: Any) -> Any:
    """The torch module that runs."""
    getter = getattr(model_runner, "get_model", None)
    return model_runner.model if getter is None else getter()
