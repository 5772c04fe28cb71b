"""Runs the arms: starts the engines, passes the reference's tokens to the others, collects what they report.

At most two engine processes run at once, and only one where the engines share a GPU. Start-up is most of the
time, so an arm is started before the tokens it waits for exist:

    slot 1   reference: start, sample ──┬── noise floor: start, replay
    slot 2   candidate: start ..........└── replay, sample; remedy: replay, sample; ladder ── trainer: score

The remedy is a second engine in the candidate's process on CPU, where that was measured to give the same
bits as a process of its own and saves an import; on a GPU it gets a process of its own, for the memory.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from vllm_migrate import __version__
from vllm_migrate.audit.cause.earn_speed import SpeedRun, SpeedTrial
from vllm_migrate.audit.cause.ladder import Climb, LadderRun
from vllm_migrate.audit.cause.live_engine import LiveEngine
from vllm_migrate.audit.cause.replay import (
    generation_defaults,
    ladder_tokens,
    replay_counterparts,
    routes_to_experts,
)
from vllm_migrate.audit.cause.steps import candidate_sampling, suspects
from vllm_migrate.audit.evidence import (
    CANDIDATE,
    NOISE_FLOOR,
    REFERENCE,
    REMEDY,
    EngineRun,
    Evidence,
)
from vllm_migrate.audit.journal import Journal
from vllm_migrate.audit.plan import PROBE_PROMPTS, prompts_with_top
from vllm_migrate.audit.process import EngineProcess
from vllm_migrate.audit.prompts.encode import encoded, read_by
from vllm_migrate.audit.sync.probe import COLD_SLOT, SyncProbe
from vllm_migrate.errors import EngineError, VllmMigrateError
from vllm_migrate.reward.rollouts import score_rollouts
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.engines.environment import EngineEnvironment

_REMEDY_SLOT = "remedy"
_TRAINER = "trainer"
_SYNCING = "probing weight updates"
_LADDER = "ladder"
_SPEED = "speed"


# Names of finished parts in the journal, beside those of the arms.
_COUNTERPARTS, _INPUTS, _SYNC = "counterparts", "inputs", "sync"
_FINISHED = "finished by an earlier run"


class _Lost(Exception):  # noqa: N818 - never leaves this module
    """An engine that was at work failed. The arms that don't need it go on."""

    def __init__(self, arm: str, error: EngineError) -> None:
        super().__init__(error.message)
        self.arm = arm
        self.error = error


class Stopped(EngineError):  # noqa: N818 - never shown: the error of the arm that failed is
    """This arm was given up because another one failed."""


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
    ) -> None:
        candidate = v1 or v0
        if candidate is None:
            raise ValueError("there is neither a reference's nor a candidate's engine")
        self._plan = plan
        self._model_hash = model_hash
        self._v0 = v0
        self._v1 = candidate
        self._only_reference = v1 is None
        self._journal = journal or Journal()
        self._lost: list[_Lost] = []
        self._progress = progress
        self._lock = threading.Lock()
        self._running: set[EngineProcess] = set()
        self._error: BaseException | None = None
        self._reference: Future[Trace] = Future()
        self._sampled: dict[str, Future[EngineRun | None]] = {CANDIDATE: Future(), REMEDY: Future()}
        self._counterparts: Future[dict[tuple[str, ...], list[wire.ReplayRecord]]] = Future()
        self._ladder: LadderRun | None = None
        self._speed: list[SpeedRun] = []
        self._other_inputs: tuple[int, ...] = ()
        self._compared_inputs = 0
        self._sync_probes: list[SyncProbe] = []
        self._cold_later: list[tuple[str, EngineEnvironment, SyncProbe]] = []
        self._arms: dict[str, EngineRun] = {}
        self._timing: dict[str, float] = {}
        if trace is not None:
            self._reference.set_result(trace)
            self._counterparts.set_result({})

    def run(self) -> Evidence:
        """Run every arm.

        Raises:
            VllmMigrateError: the first error of any arm; no engine is left running.
        """
        tasks = [self._run_candidate, self._run_trainer]
        if self._v0 is not None:
            tasks = [self._run_reference, self._run_candidate, self._run_noise_floor, self._run_trainer]
        if self._only_reference:
            tasks = [self._run_reference, self._run_noise_floor]
        one_gpu = any(engine is not None and engine.device != "cpu" for engine in (self._v0, self._v1))
        with ThreadPoolExecutor(max_workers=1 if one_gpu else 2) as pool:
            futures = [pool.submit(self._guarded, task) for task in tasks]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException as error:  # Ctrl-C arrives here, in the main thread
                self._give_up(error)
                raise
        for probe in self._sync_probes:
            probe.close()
        if self._error is not None:
            raise self._error
        if self._lost:
            raise self._lost[0].error
        return self._evidence()

    @property
    def finished(self) -> Evidence | None:
        """What there is after `run` has raised; None where not even the reference is complete."""
        complete = self._reference.done() and self._reference.exception() is None
        return self._evidence() if complete else None

    def _evidence(self) -> Evidence:
        return Evidence(
            self._complete_trace(),
            self._arms,
            self._timing,
            sync=[probe.found for probe in self._sync_probes if probe.found is not None],
            ladder=self._ladder,
            speed=self._speed,
            other_inputs=self._other_inputs,
            compared_inputs=self._compared_inputs,
        )

    def _complete_trace(self) -> Trace:
        trace = self._reference.result()
        floor = self._arms.get(NOISE_FLOOR)
        if floor is None:
            return trace
        return replace(
            trace,
            noise_floor=tuple(tuple(record.logprobs) for record in floor.replay),
            probe_noise_floor=tuple(tuple(record.logprobs) for record in floor.probe),
        )

    def _guarded(self, task: Callable[[], None]) -> None:
        if self._error is not None:
            return
        try:
            task()
        except _Lost as lost:
            self._go_on_without(lost)
        except BaseException as error:
            self._give_up(error)
            raise

    def _go_on_without(self, lost: _Lost) -> None:
        """Let the arms finish that don't need the one that was lost."""
        with self._lock:
            if not isinstance(
                lost.error, Stopped
            ):  # that one was waiting for another, which is noted already
                self._lost.append(lost)
            promises: list[Future[Any]] = []
            if lost.arm == REFERENCE:
                promises = [self._reference, self._counterparts]
            if lost.arm in (REFERENCE, CANDIDATE, REMEDY):
                promises += self._sampled.values()
            for promise in promises:
                if not promise.done():
                    promise.set_exception(Stopped("given up"))

    def _give_up(self, error: BaseException) -> None:
        """Remember the first error, wake whoever waits, and end every engine."""
        with self._lock:
            if self._error is None:
                self._error = error
            waiting: list[Future[Any]] = [self._reference, self._counterparts, *self._sampled.values()]
            for promise in waiting:
                if not promise.done():
                    promise.set_exception(Stopped("given up"))
            for process in self._running:
                process.client.kill()

    @contextmanager
    def _process(self, environment: EngineEnvironment, arm: str) -> Iterator[EngineProcess]:
        process = EngineProcess(environment, arm, self._plan.model, self._progress, self._timing)
        with self._lock:
            if self._error is not None:
                raise Stopped("given up")
            process.client.start()
            self._running.add(process)
        try:
            yield process
        except EngineError as error:
            if process.loaded and self._error is None:
                raise _Lost(arm, error) from error
            raise
        finally:
            with self._lock:
                self._running.discard(process)
            process.client.close()

    def _deliver(self, promise: Future[Any], value: Any) -> None:
        with self._lock:
            if not promise.done():
                promise.set_result(value)

    # The arms, one method a task of the pool.

    def _run_reference(self) -> None:
        plan, environment = self._plan, self._v0
        assert environment is not None  # noqa: S101 - for the type checker; `run` starts this task only then
        if self._take_reference():
            return
        with self._process(environment, REFERENCE) as process:
            run = process.load(REFERENCE, plan.v0_args)
            if not self._reference.done():
                self._sample_reference(process, run)
            if not self._counterparts.done():
                self._replay_counterparts(process)
            if plan.sync_probe == "all" and not self._only_reference:
                self._probe_sync(process, run, level="all", together=environment.device == "cpu")

    def _take_reference(self) -> bool:
        """Take what an earlier run has finished; whether that is all there is to do."""
        trace = self._journal.find(REFERENCE)
        if trace is None:
            return False
        self._progress(REFERENCE, _FINISHED, 0, 0)
        self._deliver(self._reference, trace)
        counterparts = {} if self._plan.ladder == "none" else self._journal.find(_COUNTERPARTS)
        if self._only_reference:
            counterparts = {}
        if counterparts is not None:
            self._deliver(self._counterparts, counterparts)
        syncing = self._plan.sync_probe == "all" and not self._only_reference
        return counterparts is not None and (not syncing or self._take_sync(REFERENCE))

    def _sample_reference(self, process: EngineProcess, run: EngineRun) -> None:
        plan = self._plan
        prompts = self._tokenized(process)
        ids = [list(prompt.token_ids) for prompt in prompts]
        rollouts = process.sample(
            REFERENCE,
            ids,
            plan.sampling,
            samples=plan.samples,
            seed=plan.seed,
            top_prompts=prompts_with_top(len(ids), plan.samples),
        )
        probe: tuple[Rollout, ...] = ()
        if plan.probe is not None:
            some = ids[:PROBE_PROMPTS]
            probe = process.sample(REFERENCE, some, plan.probe, samples=plan.samples, seed=plan.seed)
        trace = Trace(self._provenance(process.environment, run), prompts, rollouts, probe=probe)
        self._journal.keep(REFERENCE, trace)
        self._deliver(self._reference, trace)

    def _provenance(self, environment: EngineEnvironment, run: EngineRun) -> Provenance:
        plan = self._plan
        return Provenance(
            engine=environment.name,
            version=run.loaded.version,
            engine_class=run.loaded.engine_class,
            runner=run.loaded.runner,
            settings=run.loaded.settings,
            engine_args=plan.v0_args,
            sampling=wire.to_wire(plan.sampling),
            model=self._model_hash,
            tool=__version__,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            samples=plan.samples,
            seed=plan.seed,
            probe_sampling={} if plan.probe is None else wire.to_wire(plan.probe),
        )

    def _replay_counterparts(self, process: EngineProcess) -> None:
        """What the ladder compares with where a change makes sense on both sides only; none if that fails."""
        found: dict[tuple[str, ...], list[wire.ReplayRecord]] = {}
        try:
            if self._plan.ladder != "none" and not self._only_reference:
                found = replay_counterparts(process, self._plan, self._reference.result())
                self._journal.keep(_COUNTERPARTS, found)
        except VllmMigrateError:
            if self._error is not None:
                raise
        self._deliver(self._counterparts, found)

    def _tokenized(self, process: EngineProcess) -> tuple[Prompt, ...]:
        """The prompts with the reference's token ids; every arm gets these ids, never the text."""
        return encoded(process, self._plan.prompts, self._plan.strata)

    def _run_noise_floor(self) -> None:
        plan, environment = self._plan, self._v0
        assert environment is not None  # noqa: S101 - for the type checker; `run` starts this task only then
        if (kept := self._journal.find(NOISE_FLOOR)) is not None:
            self._progress(NOISE_FLOOR, _FINISHED, 0, 0)
            self._arms[NOISE_FLOOR] = kept
            return
        with self._process(environment, NOISE_FLOOR) as process:
            run = process.load(NOISE_FLOOR, plan.v0_args)
            trace = self._reference.result()
            limit = int(run.loaded.settings.get("max_num_seqs") or len(trace.rollouts))
            half = max(1, min(limit, len(trace.rollouts)) // 2)
            order = list(range(len(trace.rollouts)))
            random.Random(plan.seed).shuffle(order)  # noqa: S311 - another order, not a secret
            run.replay = process.force(
                NOISE_FLOOR, trace.prompts, trace.rollouts, plan.sampling, order=order, max_num_seqs=half
            )
            run.probe = self._force_probe(process, NOISE_FLOOR)
        self._journal.keep(NOISE_FLOOR, run)
        self._arms[NOISE_FLOOR] = run

    def _run_candidate(self) -> None:
        plan, environment = self._plan, self._v1
        own_process = environment.device != "cpu"
        missing = self._take_candidate()
        if missing - {REMEDY} or (missing and not own_process):
            with self._process(environment, CANDIDATE) as process:
                run = process.load(CANDIDATE, plan.candidate_args)
                run = self._arms.get(CANDIDATE, run)
                if CANDIDATE in missing:
                    self._replay_and_sample(process, run)
                if _INPUTS in missing:
                    self._compare_inputs(process)
                if REMEDY in missing and not own_process:
                    self._remedy(process, _REMEDY_SLOT)
                wanted = missing & {_LADDER, _SPEED}
                intact = not wanted or self._experiment(process, run, wanted, together=not own_process)
                if _SYNC in missing and intact:
                    self._probe_sync(process, run, level=plan.sync_probe, together=not own_process)
            if _SYNC in missing and not intact:  # a rung broke it, or there was no room for it beside another
                with self._process(environment, CANDIDATE) as process:
                    process.load(CANDIDATE, plan.candidate_args)
                    self._probe_sync(process, run, level=plan.sync_probe, together=not own_process)
        if REMEDY in missing and own_process:
            with self._process(environment, REMEDY) as process:
                self._remedy(process, wire.MAIN_SLOT)
        self._finish_sync()

    def _take_candidate(self) -> set[str]:
        """Take what an earlier run has finished of the candidate, and say what is missing."""
        plan = self._plan
        wanted = {CANDIDATE, _INPUTS}
        if plan.remedy_additions:
            wanted.add(REMEDY)
        else:
            self._deliver(self._sampled[REMEDY], None)
        if plan.ladder != "none":
            wanted.add(_LADDER)
        if plan.earn_speed:
            wanted.add(_SPEED)
        if plan.sync_probe != "none" and not self._take_sync(CANDIDATE):
            wanted.add(_SYNC)
        for name in (CANDIDATE, REMEDY):
            kept = self._journal.find(name) if name in wanted else None
            if kept is not None:
                self._progress(name, _FINISHED, 0, 0)
                self._arms[name] = kept
                self._deliver(self._sampled[name], kept)
                wanted.discard(name)
        if (inputs := self._journal.find(_INPUTS)) is not None:
            self._other_inputs, self._compared_inputs = inputs
            wanted.discard(_INPUTS)
        if _LADDER in wanted and (ladder := self._journal.find(_LADDER)) is not None:
            self._ladder = ladder
            wanted.discard(_LADDER)
        if _SPEED in wanted and (speed := self._journal.find(_SPEED)) is not None:
            self._speed = speed
            wanted.discard(_SPEED)
        return wanted

    def _take_sync(self, arm: str) -> bool:
        """Take an earlier run's probe of weight updates in this arm; whether there is one."""
        found = self._journal.find(f"{_SYNC}.{arm}")
        if found is None:
            return False
        probe = SyncProbe(self._plan.model, level="none", way=self._plan.sync_way, seed=self._plan.seed)
        probe.found = found
        self._sync_probes.insert(0 if arm == CANDIDATE else len(self._sync_probes), probe)
        return True

    def _keep_sync(self, arm: str, probe: SyncProbe) -> None:
        if self._error is None and probe.found is not None:
            self._journal.keep(f"{_SYNC}.{arm}", probe.found)

    def _probe_sync(self, process: EngineProcess, run: EngineRun, *, level: str, together: bool) -> None:
        """Try weight updates in a live engine; the last thing done there, as its weights change."""
        plan = self._plan
        probe = SyncProbe(plan.model, level=level, way=plan.sync_way, seed=plan.seed)
        self._sync_probes.insert(0 if run.name == CANDIDATE else len(self._sync_probes), probe)
        started = time.monotonic()
        probe.hot(process.client, run, self._reference.result(), partial(self._progress, run.name, _SYNCING))
        if together:
            probe.cold(process.client)
        else:
            self._cold_later.append((run.name, process.environment, probe))
        if not probe.waiting or probe.compared:
            self._keep_sync(run.name, probe)
        self._timing[f"{run.name}.sync"] = round(time.monotonic() - started, 3)

    def _finish_sync(self) -> None:
        """The cold engine of a probe, where it needs the device for itself."""
        for arm, environment, probe in self._cold_later:
            if probe.waiting:
                with self._process(environment, COLD_SLOT) as process:
                    probe.cold(process.client, wire.MAIN_SLOT)
                self._keep_sync(arm, probe)

    def _remedy(self, process: EngineProcess, slot: str) -> None:
        arguments = {**self._plan.candidate_args, **self._plan.remedy_additions}
        run = process.load(REMEDY, arguments, slot=slot)
        self._replay_and_sample(process, run, slot=slot)

    def _run_trainer(self) -> None:
        """The trainer's forward over every arm's own tokens, in V1's environment: it has transformers."""
        plan = self._plan
        names = (CANDIDATE, REMEDY) if plan.remedy_additions else (CANDIDATE,)
        kept = {name: self._journal.find(f"{_TRAINER}.{name}") for name in (REFERENCE, *names)}
        if all(found is not None for found in kept.values()):
            self._progress(_TRAINER, _FINISHED, 0, 0)
            self._score(None, kept)
            return
        with self._process(self._v1, _TRAINER) as process:
            process.load_trainer(_TRAINER)
            self._score(process, kept)

    def _score(self, process: EngineProcess | None, kept: dict[str, Any]) -> None:
        """The trainer's scores of every arm: those kept from an earlier run, the others by this process."""
        plan, trace = self._plan, self._reference.result()
        reference = recorded_run(trace)
        if plan.reward is not None:
            reference.rewards = score_rollouts(plan.reward, trace.prompts, trace.rollouts)
        if kept[REFERENCE] is not None:
            reference.trainer, reference.trainer_probe = kept[REFERENCE]
        elif process is not None:
            reference.trainer = process.force(
                _TRAINER, trace.prompts, trace.rollouts, plan.sampling, min_p_first=False
            )
            if plan.probe is not None and trace.probe:
                reference.trainer_probe = process.force(
                    _TRAINER, trace.prompts, trace.probe, plan.probe, min_p_first=False
                )
            self._journal.keep(f"{_TRAINER}.{REFERENCE}", (reference.trainer, reference.trainer_probe))
        self._arms[REFERENCE] = reference
        for name in (CANDIDATE, REMEDY):
            run = self._sampled[name].result()
            if run is None:
                continue
            if kept.get(name) is not None:
                run.trainer = kept[name]
            elif process is not None:
                run.trainer = process.force(_TRAINER, trace.prompts, run.rollouts, plan.sampling)
                self._journal.keep(f"{_TRAINER}.{name}", run.trainer)

    # What the arms have in common.

    def _replay_and_sample(
        self, process: EngineProcess, run: EngineRun, *, slot: str = wire.MAIN_SLOT
    ) -> None:
        plan, trace = self._plan, self._reference.result()
        sampling = candidate_sampling(plan)
        run.replay = process.force(
            run.name, trace.prompts, trace.rollouts, sampling, slot=slot, path=plan.candidate_path
        )
        run.probe = self._force_probe(process, run.name, slot=slot)
        ids = [list(prompt.token_ids) for prompt in trace.prompts]
        run.rollouts = process.sample(
            run.name, ids, sampling, samples=plan.samples, seed=plan.seed, slot=slot
        )
        if plan.reward is not None and run.name == CANDIDATE:
            run.rewards = score_rollouts(plan.reward, trace.prompts, run.rollouts)
        self._journal.keep(run.name, run)
        self._arms[run.name] = run
        self._deliver(self._sampled[run.name], run)

    def _force_probe(
        self, process: EngineProcess, arm: str, *, slot: str = wire.MAIN_SLOT
    ) -> list[wire.ReplayRecord]:
        trace = self._reference.result()
        if self._plan.probe is None or not trace.probe:
            return []
        return process.force(arm, trace.prompts, trace.probe, self._plan.probe, slot=slot)

    def _compare_inputs(self, process: EngineProcess) -> None:
        """Which of the reference's prompts the candidate would turn into other token ids."""
        prompts = [prompt for prompt in self._reference.result().prompts if prompt.text]
        given = {index for index, line in enumerate(self._plan.prompts) if line.token_ids}
        prompts = [prompt for prompt in prompts if prompt.id not in given]
        made = read_by(process, prompts)
        self._compared_inputs = len(prompts)
        self._other_inputs = tuple(
            prompt.id for prompt, ids in zip(prompts, made, strict=True) if ids != prompt.token_ids
        )
        self._journal.keep(_INPUTS, (self._other_inputs, self._compared_inputs))

    def _experiment(
        self, process: EngineProcess, candidate: EngineRun, wanted: set[str], *, together: bool
    ) -> bool:
        """The ladder and the search for speed, in the candidate's engine; failures there leave the verdict.

        Returns:
            Whether that engine still runs, as it was.
        """
        plan, trace = self._plan, self._reference.result()
        on_probe, rollouts, sampling = ladder_tokens(plan, trace)
        with LiveEngine(
            process,
            lambda: self._process(self._v1, _LADDER),
            plan.candidate_args,
            arm=_LADDER,
            together=together,
        ) as engine:
            if _LADDER in wanted:
                climb = Climb(
                    engine,
                    trace.prompts,
                    rollouts,
                    sampling,
                    own=None if on_probe else candidate_sampling(plan),
                    path=plan.candidate_path,
                    on_probe=on_probe,
                    counterparts=self._counterparts.result,
                    stopped=lambda: self._error is not None,
                    seed=plan.seed,
                    arm=_LADDER,
                )
                self._ladder = climb.run(
                    lambda observed: suspects(
                        plan,
                        candidate.loaded.settings,
                        observed,
                        sampling,
                        reference=trace.provenance.settings,
                        defaults=generation_defaults(plan.model),
                        moe=routes_to_experts(plan.model),
                    )
                )
                if self._error is None:
                    self._journal.keep(_LADDER, self._ladder)
            if _SPEED in wanted:
                self._speed = SpeedTrial(
                    engine,
                    trace.prompts,
                    trace.rollouts,
                    candidate_sampling(plan),
                    candidate.loaded.settings,
                    stopped=lambda: self._error is not None,
                ).run()
                if self._error is None:
                    self._journal.keep(_SPEED, self._speed)
            return engine.intact


def recorded_run(trace: Trace) -> EngineRun:
    """The reference as its trace describes it."""
    made = trace.provenance
    loaded = wire.Loaded(made.engine_class, made.runner, made.version, made.settings, seconds=0.0)
    return EngineRun(REFERENCE, made.engine, made.engine_args, loaded, rollouts=trace.rollouts)
