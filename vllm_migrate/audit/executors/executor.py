"""What every executor does: it finds engines, and starts replicas of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.engines.calls import EngineCalls
    from vllm_migrate.engines.environment import EngineEnvironment

    Report = Callable[[str, int, int], None]
    """Told of an operation how much is done, of how much."""

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where to run, and how wide.

    Attributes:
        executor: "local" or "ray".
        replicas: engines that share an arm's prompts.
        address: of the Ray cluster; "" for the one that this machine belongs to, else a new one on it alone.
        cpus: processors that each replica is given.
    """

    executor: str = LOCAL
    replicas: int = 1
    address: str = ""
    cpus: int = 1


class Executor(Protocol):
    """Finds engines, and starts replicas of them.

    Attributes:
        replicas: how many engines share an arm's prompts.
        arms_at_once: how many arms there is room for, 0 where the engines' device decides.
        notes: what a report should say about where the audit ran.
    """

    replicas: int
    arms_at_once: int
    notes: tuple[str, ...]

    def require(self, spec: str) -> EngineEnvironment:
        """The engine that a specification names, where the replicas run.

        Raises:
            VllmMigrateError: it is not there.
        """

    def client(
        self, environment: EngineEnvironment, *, replica: int, name: str, report: Report
    ) -> EngineCalls:
        """A replica's engine, not started yet."""

    def close(self) -> None:
        """Give back what was held. Calling it again does nothing."""
