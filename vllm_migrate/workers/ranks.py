"""An engine of several processes, seen from the one that schedules: calls into every rank, in one place.

The scheduler of such an engine runs here, so what it decides is changed here, as in an engine of one process.
What the ranks decide (the sampled token, what is reported, the weights) goes through `collective_rpc`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import rank_entry
from .backend import WorkerError
from .runners import FORCING
from .sync import Refused, WeightSync
from .sync_protocol import Checksums
from .vllm_engine import ForcedSequences

if TYPE_CHECKING:
    from .vllm_engine import VllmBackend

_PACKAGE = __name__.rpartition(".")[0]


class Ranks:
    """The processes of one engine.

    Args:
        llm: an `LLM`.
    """

    def __init__(self, llm: Any) -> None:
        import cloudpickle  # type: ignore[import-not-found] # comes with vLLM

        cloudpickle.register_pickle_by_value(sys.modules[rank_entry.__name__])
        self._llm = llm
        self._executor: Any = getattr(llm.llm_engine, "model_executor", None)

    def call(self, name: str, *args: Any) -> list[Any]:
        """What `in_rank.<name>` gives in every rank, in the order of ranks.

        Raises:
            WorkerError: the first that any of them raised.
        """
        self.rest()
        folder = str(Path(__file__).resolve().parent)
        answers = self._llm.collective_rpc(rank_entry.enter, args=(_PACKAGE, folder, name, args))
        for _, kind, message in answers:
            if kind:
                raise WorkerError(kind, message)
        return [answer for answer, _, _ in answers]

    def agreed(self, name: str, *args: Any) -> Any:
        """What all ranks say that have anything to say.

        Raises:
            WorkerError: "engine" where they differ.
        """
        said = [answer for answer in self.call(name, *args) if answer]
        if not said or any(answer != said[0] for answer in said):
            raise WorkerError("engine", f"the ranks of this engine disagree about {name}: {said}")
        return said[0]

    def rest(self) -> None:
        """Let V0's ranks come back from the loop in which they wait for steps, where they are in it."""
        if getattr(self._executor, "parallel_worker_tasks", None) is not None:
            self._executor.stop_remote_worker_execution_loop()


class SharedForced(ForcedSequences):
    """Forced sequences of all ranks; what they tapped is fetched when it is asked for."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    def begin(self, completions: list[list[int]]) -> None:
        """In every rank."""
        super().begin(completions)
        self._ranks.call("begin", completions)

    def end(self) -> None:
        """In every rank; what they tapped is kept."""
        super().end()
        self._ranks.call("end")
        self.fetch()

    def fetch(self) -> None:
        """Take over what the ranks have tapped so far."""
        self._raw = next((found for found in self._ranks.call("tapped") if found), {})


class RanksForcing:
    """Forcing and flipping as `V1Forcing` and `V2Forcing` do it, in every rank that samples.

    Args:
        ranks: with nothing hooked yet.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        installed = ranks.call("install")
        names = {entry["runner"] for entry in installed}
        if len(names) != 1 or not any(entry["samples"] for entry in installed):
            raise WorkerError("start", f"the ranks of this engine don't sample together: {installed}")
        self.runner = str(names.pop())
        self.params = FORCING[self.runner].params

    def logprobs_mode(self) -> str:
        """The mode the samplers work in."""
        return str(self._ranks.agreed("logprobs_mode"))

    def flip_logprobs_mode(self, mode: str) -> dict[str, Any]:
        """Switch what is reported, in every rank."""
        return dict(self._ranks.agreed("flip_logprobs_mode", mode))


class RanksSync(WeightSync):
    """Weight updates of an engine of several processes.

    Args:
        backend: the engine.
        ranks: its processes.
        core: V1's engine core, None for V0.
    """

    def __init__(self, backend: VllmBackend, ranks: Ranks, core: Any | None) -> None:
        super().__init__(backend, None, core)
        self._ranks = ranks

    def checksums(self) -> Checksums:
        """Of every rank's share, under "rank<number>."."""
        found = Checksums({})
        for rank, part in enumerate(self._ranks.call("digests")):
            found.tensors.update({f"rank{rank}.{name}": value for name, value in part["tensors"].items()})
            found.unread += [f"rank{rank}.{name}" for name in part["unread"]]
        return found

    def emitted(self, count: int) -> list[int]:
        """Tokens forced so far, by sequence, as the ranks have them."""
        forced = self._backend.forced
        if isinstance(forced, SharedForced):
            forced.fetch()
        return super().emitted(count)

    def _reload_parameters(self) -> list[str] | None:
        parameters: list[str] | None = self._ranks.call("reload_parameters")[0]
        return parameters

    def _point_to(self, path: str) -> None:
        self._ranks.call("point_to", path)

    def _reload_with_tensors(self, path: str) -> None:
        self._ranks.call("reload_tensors", path)

    def _write_in_place(self, path: str) -> None:
        for why in self._ranks.call("write_in_place", path):
            if why:
                raise Refused(why)
