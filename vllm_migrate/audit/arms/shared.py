"""What the arms of one audit share: the promises they wait for, the engines that run, the first error.

The arms run in threads of their own. An arm that needs what another one makes waits for its promise; an arm
that fails breaks the promises that it can't keep, so that nobody waits for ever.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE, REMEDY, EngineRun, Evidence
from vllm_migrate.audit.executors.local import LocalExecutor
from vllm_migrate.audit.process import EngineProcess
from vllm_migrate.errors import EngineError
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vllm_migrate.audit.cause.evidence import LadderRun, SpeedRun
    from vllm_migrate.audit.executors.executor import Executor
    from vllm_migrate.audit.journal import Journal
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.audit.sync.probe import SyncProbe
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Trace

FINISHED = "finished by an earlier run"
"""What an arm is said to do where the journal had all of it."""


class Lost(Exception):  # noqa: N818 - never leaves the arms
    """An engine that was at work failed. The arms that don't need it go on."""

    def __init__(self, arm: str, error: EngineError) -> None:
        super().__init__(error.message)
        self.arm = arm
        self.error = error


class Stopped(EngineError):  # noqa: N818 - never shown: the error of the arm that failed is
    """This arm was given up because another one failed."""


@dataclass(slots=True)
class Measured:
    """What the arms have measured so far, beside the reference's trace; attributes as in `Evidence`.

    Attributes:
        sync_probes: of weight updates, the candidate's first.
    """

    arms: dict[str, EngineRun] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    ladder: LadderRun | None = None
    speed: list[SpeedRun] = field(default_factory=list)
    other_inputs: tuple[int, ...] = ()
    compared_inputs: int = 0
    other_templates: tuple[int, ...] = ()
    sync_probes: list[SyncProbe] = field(default_factory=list)

    def evidence(self, trace: Trace) -> Evidence:
        """All of it, with the reference's trace."""
        return Evidence(
            trace,
            self.arms,
            self.timing,
            sync=[probe.found for probe in self.sync_probes if probe.found is not None],
            ladder=self.ladder,
            speed=self.speed,
            other_inputs=self.other_inputs,
            compared_inputs=self.compared_inputs,
            other_templates=self.other_templates,
        )


class Shared:
    """What the arms of one audit share.

    Attributes:
        plan, progress, journal, executor: as in `Replay`.
        reference: promise of the reference's trace.
        sampled: by arm, promise of its run once it has sampled; None where there is no such arm.
        counterparts: promise of the reference's own replays for the ladder.
        measured: filled by the arms.
        cold_later: arm, environment and probe of the weight updates whose cold engine needs the device.
        error: the first one that ended everything. lost: engines that failed while the other arms went on.
    """

    def __init__(
        self, plan: AuditPlan, *, progress: Progress, journal: Journal, executor: Executor | None = None
    ) -> None:
        self.plan = plan
        self.executor = executor or LocalExecutor()
        self.progress = progress
        self.journal = journal
        self.reference: Future[Trace] = Future()
        self.sampled: dict[str, Future[EngineRun | None]] = {CANDIDATE: Future(), REMEDY: Future()}
        self.counterparts: Future[dict[tuple[str, ...], list[wire.ReplayRecord]]] = Future()
        self.measured = Measured()
        self.cold_later: list[tuple[str, EngineEnvironment, SyncProbe]] = []
        self.error: BaseException | None = None
        self.lost: list[Lost] = []
        self._lock = threading.Lock()
        self._running: set[EngineProcess] = set()

    @property
    def stopped(self) -> bool:
        """Whether the whole audit is being given up."""
        return self.error is not None

    def guarded(self, task: Callable[[], None]) -> None:
        """Run an arm; see to it that nobody waits for what it can't bring any more.

        Raises:
            BaseException: what the arm raised, where that ends the whole audit.
        """
        if self.error is not None:
            return
        try:
            task()
        except Lost as lost:
            self._go_on_without(lost)
        except BaseException as error:
            self.give_up(error)
            raise

    def _go_on_without(self, lost: Lost) -> None:
        """Let the arms finish that don't need the one that was lost."""
        with self._lock:
            if not isinstance(lost.error, Stopped):  # it was waiting for another, which is noted already
                self.lost.append(lost)
            promises: list[Future[Any]] = []
            if lost.arm == REFERENCE:
                promises = [self.reference, self.counterparts]
            if lost.arm in (REFERENCE, CANDIDATE, REMEDY):
                promises += self.sampled.values()
            for promise in promises:
                if not promise.done():
                    promise.set_exception(Stopped("given up"))

    def give_up(self, error: BaseException) -> None:
        """Remember the first error, wake whoever waits, and end every engine."""
        with self._lock:
            if self.error is None:
                self.error = error
            waiting: list[Future[Any]] = [self.reference, self.counterparts, *self.sampled.values()]
            for promise in waiting:
                if not promise.done():
                    promise.set_exception(Stopped("given up"))
            for process in self._running:
                process.kill()

    @contextmanager
    def process(self, environment: EngineEnvironment, arm: str) -> Iterator[EngineProcess]:
        """An engine process for an arm, ended with the block.

        Raises:
            Lost: its engine failed after it had come up.
            Stopped: the audit is being given up.
        """
        process = EngineProcess(
            environment,
            arm,
            self.plan.model,
            self.progress,
            self.measured.timing,
            executor=self.executor,
        )
        with self._lock:
            if self.error is not None:
                raise Stopped("given up")
            process.start()
            self._running.add(process)
        try:
            yield process
        except EngineError as error:
            if process.loaded and self.error is None:
                raise Lost(arm, error) from error
            raise
        finally:
            with self._lock:
                self._running.discard(process)
            process.close()

    def deliver(self, promise: Future[Any], value: Any) -> None:
        """Keep a promise, unless it is broken or kept already."""
        with self._lock:
            if not promise.done():
                promise.set_result(value)

    def force_probe(
        self, process: EngineProcess, arm: str, *, slot: str = wire.MAIN_SLOT
    ) -> list[wire.ReplayRecord]:
        """The semantic probe's tokens forced through an arm's engine; none where the audit has no probe."""
        trace = self.reference.result()
        if self.plan.probe is None or not trace.probe:
            return []
        return process.force(arm, trace.prompts, trace.probe, self.plan.probe, slot=slot)
