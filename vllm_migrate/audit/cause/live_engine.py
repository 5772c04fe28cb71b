"""The candidate's engine while it is experimented on: started again where an experiment broke it."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.cause.evidence import LIVE, RESTART, SECOND_ENGINE
from vllm_migrate.engines.flips import flipped
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.workers.protocol import ReplayRecord

_LEAST_SECONDS, _TIMES_THE_BASE = 120.0, 20.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """One replay: its records, and what the scheduler did meanwhile (`Backend.observe`).

    Attributes:
        how: "live", "second-engine" or "restart": how the engine was come by.
        seconds: wall time of the replay alone.
    """

    records: list[ReplayRecord]
    counts: dict[str, int]
    how: str
    seconds: float


def limit_after(seconds: float) -> float:
    """How long a changed engine may take over tokens that it took `seconds` for unchanged, seconds."""
    return max(_LEAST_SECONDS, _TIMES_THE_BASE * seconds)


class LiveEngine:
    """One engine by its arguments, in whatever process holds it.

    Args:
        process: the process that already holds the candidate in its main slot.
        start: opens another one.
        arguments: of the candidate.
        arm: name for progress and timing.
        together: whether several engines may live in one process (measured on CPU: same bits as alone). On a
            GPU there is not the memory for it, and every other engine gets a process of its own.
    """

    def __init__(
        self,
        process: EngineProcess,
        start: Callable[[], AbstractContextManager[EngineProcess]],
        arguments: dict[str, Any],
        *,
        arm: str,
        together: bool,
    ) -> None:
        self._start = start
        self._arguments = arguments
        self._arm = arm
        self._together = together
        self._stack = ExitStack()
        self._process: EngineProcess | None = process
        self._first = process
        self._slots: dict[str, str] = {"{}": wire.MAIN_SLOT}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def intact(self) -> bool:
        """Whether the process it was given still runs."""
        return self._process is self._first

    def at(self, more: dict[str, Any]) -> tuple[EngineProcess, str, str]:
        """The process and the slot of an engine with these further arguments, and how it was come by."""
        key = json.dumps(more, sort_keys=True, default=str)
        if self._process is not None and key in self._slots:
            return self._process, self._slots[key], LIVE if key == "{}" else self._how()
        if self._process is None or not self._together:
            self.discard()
            self._process = self._stack.enter_context(self._start())
            self._process.narrow()
        slot = f"{self._arm}-{len(self._slots)}" if self._slots else wire.MAIN_SLOT
        self._process.load(self._arm, {**self._arguments, **more}, slot=slot)
        self._slots[key] = slot
        return self._process, slot, self._how()

    def replay(
        self,
        force: Callable[[EngineProcess, str], list[ReplayRecord]],
        *,
        arguments: dict[str, Any],
        flips: Mapping[str, Any],
    ) -> Replayed:
        """Replay in the engine with further arguments, under settings that are put back afterwards.

        Args:
            force: replays in a process's slot.
            arguments: as for `at`.
            flips: settings to change while it runs.

        Raises:
            CannotFlipError: a setting can't be changed there; nothing was replayed.
        """
        process, slot, how = self.at(arguments)
        with flipped(process.client, flips, slot=slot):
            process.client.observe(slot=slot)  # counts begin anew
            started = time.monotonic()
            records = force(process, slot)
            seconds = time.monotonic() - started
            return Replayed(records, process.client.observe(slot=slot), how, seconds)

    def discard(self) -> None:
        """Give the process up, with every engine in it: after an error inside a step none can be used."""
        if self._process is not None:
            self._process.close()
        self._stack.close()
        self._process = None
        self._slots = {}

    def _how(self) -> str:
        return SECOND_ENGINE if self._together else RESTART
