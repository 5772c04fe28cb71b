"""A replica on a Ray cluster, spoken to as if its engine were a process of this machine."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ray

from vllm_migrate import errors
from vllm_migrate.audit.executors.ray_node import ERROR, OK
from vllm_migrate.engines.calls import WORK_SECONDS, EngineCalls
from vllm_migrate.errors import EngineDiedError, EngineError, VllmMigrateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.audit.executors.executor import Report
    from vllm_migrate.engines.environment import EngineEnvironment

POLL_SECONDS = 0.5
END_SECONDS = 15.0
BESIDE = "beside"
"""Concurrency group of the actor's calls that are answered while another one is at work."""


class RayClient(EngineCalls):
    """Calls the engine of one actor.

    Args:
        engine: which environment.
        name: what to call it in messages.
        place: what to call the node that it runs on.
        make: creates the actor; called once.
        report: told of progress.
    """

    def __init__(
        self, engine: EngineEnvironment, *, name: str, place: str, make: Callable[[], Any], report: Report
    ) -> None:
        self.engine = engine
        self.name = name
        self._place = place
        self._make = make
        self._report = report
        self._actor: Any = None
        self._ended = False
        self._number = 0
        self._waiting: dict[int, tuple[str, Any]] = {}

    def start(self) -> None:
        """Create the actor without waiting for it. Calling it again does nothing.

        Raises:
            EngineDiedError: it was ended before.
        """
        if self._ended:
            raise EngineDiedError(f"{self._who} is not running any more")
        if self._actor is None:
            self._actor = self._make()

    def kill(self) -> None:
        """End engine and actor from another thread."""
        self._ended = True
        actor, self._actor = self._actor, None
        if actor is None:
            return
        with suppress(ray.exceptions.RayError):
            # The engine first: an actor that is killed leaves it two seconds more. One that was never placed
            # does not answer.
            done = actor.end.options(concurrency_group=BESIDE).remote()
            ray.wait([done], timeout=END_SECONDS if self._number else 0.0)
        with suppress(ray.exceptions.RayError):
            ray.kill(actor)

    def close(self) -> None:
        """End engine and actor. Calling it again does nothing."""
        self.kill()

    def _send(self, operation: str, args: dict[str, Any], slot: str) -> int:
        self.start()
        self._number += 1
        self._waiting[self._number] = (
            operation,
            self._actor.call.remote(operation, args, slot, WORK_SECONDS),
        )
        return self._number

    def _receive(self, number: int, seconds: float) -> dict[str, Any]:
        operation, answer = self._waiting.pop(number)
        until = time.monotonic() + seconds
        try:
            while not ray.wait([answer], timeout=POLL_SECONDS)[0]:
                if time.monotonic() > until:
                    self.kill()
                    raise EngineDiedError(
                        f"{self._who} gave no answer to {operation} in {seconds:.0f} seconds and was ended"
                    )
                self._tell(operation)
            found: dict[str, Any] = ray.get(answer)
        except ray.exceptions.RayError as error:
            self._ended = True
            raise EngineDiedError(
                f"{self._who} is gone, during {operation}: {_first_line(error)}",
                hint="the nodes that are left can continue: see `ray status`",
            ) from error
        if ERROR in found:
            raise self._failure(found[ERROR])
        result: dict[str, Any] = found[OK]
        return result

    def _tell(self, operation: str) -> None:
        """Pass on how far the engine is, where that can be had."""
        actor = self._actor
        if actor is None:
            return
        asked = actor.progress.options(concurrency_group=BESIDE).remote()
        if ray.wait([asked], timeout=POLL_SECONDS)[0]:
            at, done, total = ray.get(asked)
            if at == operation:
                self._report(at, done, total)

    @property
    def _who(self) -> str:
        return f"{self.name} on {self._place}"

    def _failure(self, error: dict[str, str]) -> VllmMigrateError:
        """The error as this process knows it, with the node that it comes from."""
        kind = getattr(errors, error["class"], EngineError)
        where = f"on {self._place}"
        hint = error["hint"]
        failed: VllmMigrateError = kind(
            f"{where}: {error['message']}", hint=f"{hint} ({where})" if hint.startswith("its log") else hint
        )
        return failed


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
