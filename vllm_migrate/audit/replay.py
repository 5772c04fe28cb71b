"""Runs the arms: starts the engines, passes the reference's tokens to the others, collects what they report.

At most two engine processes run at once, and only one where the engines share a GPU. Start-up is most of the
time, so an arm is started before the tokens it waits for exist:

    slot 1   reference: start, sample ──┬── noise floor: start, replay
    slot 2   candidate: start ..........└── replay, sample; remedy: replay, sample; ladder ── trainer: score

The remedy is a second engine in the candidate's process on CPU, where that was measured to give the same
bits as a process of its own and saves an import; on a GPU it gets a process of its own, for the memory.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from vllm_migrate.audit.arms.candidate import run_candidate
from vllm_migrate.audit.arms.endpoint import forward_environment, run_endpoint
from vllm_migrate.audit.arms.reference import run_noise_floor, run_reference
from vllm_migrate.audit.arms.shared import Shared
from vllm_migrate.audit.arms.trainer import run_trainer
from vllm_migrate.audit.evidence import NOISE_FLOOR
from vllm_migrate.audit.journal import Journal
from vllm_migrate.engines.endpoint.find import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.executors.executor import Executor
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Trace


class Replay:
    """One run of a plan. Use `run` once.

    Args:
        plan: what to do.
        model_hash: of the checkpoint, for the trace.
        v0: environment of the reference, None where `trace` brings a recorded one.
        v1: environment of the candidate, None to run the reference and its noise floor only.
        trace: the recorded reference, where there is one.
        progress: told what each arm does; called from several threads.
        journal: what an earlier run has finished is taken from there, and what this one finishes put there.
        executor: where the engines run; by default on this machine.
    """

    def __init__(
        self,
        plan: AuditPlan,
        *,
        model_hash: str,
        v0: EngineEnvironment | None,
        v1: EngineEnvironment | None,
        trace: Trace | None,
        progress: Progress,
        journal: Journal | None = None,
        executor: Executor | None = None,
    ) -> None:
        if v1 is None and v0 is None:
            raise ValueError("there is neither a reference's nor a candidate's engine")
        self._model_hash = model_hash
        self._v0 = v0
        self._v1 = v1
        self._shared = Shared(plan, progress=progress, journal=journal or Journal(), executor=executor)
        if trace is not None:
            self._shared.reference.set_result(trace)
            self._shared.counterparts.set_result({})

    def run(self) -> Evidence:
        """Run every arm.

        Raises:
            VllmMigrateError: the first error of any arm; no engine is left running.
        """
        shared = self._shared
        devices = {engine.device for engine in (self._v0, self._v1) if engine is not None}
        one_gpu = bool(devices - {"cpu", DEVICE})
        arms_at_once = shared.executor.arms_at_once or (1 if one_gpu else 2)
        with ThreadPoolExecutor(max_workers=arms_at_once) as pool:
            futures = [pool.submit(shared.guarded, task) for task in self._tasks()]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException as error:  # Ctrl-C arrives here, in the main thread
                shared.give_up(error)
                raise
        for probe in shared.measured.sync_probes:
            probe.close()
        if shared.error is not None:
            raise shared.error
        if shared.lost:
            raise shared.lost[0].error
        return shared.measured.evidence(self._complete_trace())

    @property
    def finished(self) -> Evidence | None:
        """What there is after `run` has raised; None where not even the reference is complete."""
        reference = self._shared.reference
        complete = reference.done() and reference.exception() is None
        return self._shared.measured.evidence(self._complete_trace()) if complete else None

    def _tasks(self) -> list[Callable[[], None]]:
        """The arms in the order in which they are started."""
        shared, v0, v1 = self._shared, self._v0, self._v1
        tasks: list[Callable[[], None]] = []
        if v0 is not None:
            only = v1 is None
            tasks.append(partial(run_reference, shared, v0, model_hash=self._model_hash, only_reference=only))
        if v1 is not None:
            candidate = run_endpoint if v1.device == DEVICE else run_candidate
            tasks.append(partial(candidate, shared, v1))
        if v0 is not None:
            tasks.append(partial(run_noise_floor, shared, v0))
        if v1 is not None:
            tasks.append(partial(run_trainer, shared, forward_environment(v0, v1)))
        return tasks

    def _complete_trace(self) -> Trace:
        trace = self._shared.reference.result()
        floor = self._shared.measured.arms.get(NOISE_FLOOR)
        if floor is None:
            return trace
        return replace(
            trace,
            noise_floor=tuple(tuple(record.logprobs) for record in floor.replay),
            probe_noise_floor=tuple(tuple(record.logprobs) for record in floor.probe),
        )
