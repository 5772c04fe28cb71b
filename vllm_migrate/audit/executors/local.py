"""The engines on this machine: one process an arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.engines.endpoint.client import EndpointClient
from vllm_migrate.engines.endpoint.find import DEVICE

if TYPE_CHECKING:
    from vllm_migrate.audit.executors.executor import Report
    from vllm_migrate.engines.calls import EngineCalls
    from vllm_migrate.engines.environment import EngineEnvironment


class LocalExecutor:
    """Starts every engine as a process of this machine; attributes as in `Executor`."""

    replicas = 1
    arms_at_once = 0
    notes: tuple[str, ...] = ()

    def require(self, spec: str) -> EngineEnvironment:
        """The engine that a specification names.

        Raises:
            ProvisionError: it is not installed.
        """
        return registry.require(spec)

    def client(
        self, environment: EngineEnvironment, *, replica: int, name: str, report: Report
    ) -> EngineCalls:
        """A process of this machine, or what speaks to a server that runs already."""
        del replica  # there is one
        if environment.device == DEVICE:
            return EndpointClient(environment, name=name, progress=report)
        return EngineClient(environment, name=name, progress=report)

    def close(self) -> None:
        """There is nothing to give back: every process ends with its arm."""
