"""The candidate and its remedy: the reference's tokens replayed, their own sampled, and more tried there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.arms.experiment import LADDER, SPEED, experiment
from vllm_migrate.audit.arms.shared import FINISHED
from vllm_migrate.audit.arms.sync import SYNC, finish_sync, probe_async, probe_sync, take_sync
from vllm_migrate.audit.cause.steps import candidate_sampling
from vllm_migrate.audit.encode import read_by, same_from_text
from vllm_migrate.audit.evidence import CANDIDATE, REMEDY
from vllm_migrate.audit.plan import greedy_profile
from vllm_migrate.reward.calling.rollouts import score_rollouts
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from vllm_migrate.audit.arms.shared import Shared
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Rollout

_REMEDY_SLOT = "remedy"
_INPUTS = "inputs"  # name of the finished part in the journal, beside those of the arms


def run_candidate(shared: Shared, environment: EngineEnvironment) -> None:
    """The candidate, and on the CPU its remedy, in one process; then what is tried there."""
    plan = shared.plan
    own_process = environment.device != "cpu"
    missing = _take_candidate(shared)
    if missing - {REMEDY} or (missing and not own_process):
        with shared.process(environment, CANDIDATE) as process:
            if not missing & {CANDIDATE, REMEDY}:
                process.narrow()  # what is tried beside the arms is tried in one engine
            run = process.load(CANDIDATE, plan.candidate_args)
            run = shared.measured.arms.get(CANDIDATE, run)
            if CANDIDATE in missing:
                _replay_and_sample(shared, process, run)
            if _INPUTS in missing:
                _compare_inputs(shared, process)
            if REMEDY in missing and not own_process:
                _remedy(shared, process, _REMEDY_SLOT)
            process.narrow()
            wanted = missing & {LADDER, SPEED}
            intact = not wanted or experiment(shared, process, run, wanted, together=not own_process)
            if SYNC in missing and intact:
                probe_sync(shared, process, run, level=plan.sync_probe, together=not own_process)
        if SYNC in missing and not intact:  # a rung broke it, or there was no room for it beside another
            with shared.process(environment, CANDIDATE) as process:
                process.narrow()
                process.load(CANDIDATE, plan.candidate_args)
                probe_sync(shared, process, run, level=plan.sync_probe, together=not own_process)
    if REMEDY in missing and own_process:
        with shared.process(environment, REMEDY) as process:
            _remedy(shared, process, wire.MAIN_SLOT)
    probe_async(shared, environment)
    finish_sync(shared)


def _take_candidate(shared: Shared) -> set[str]:
    """Take what an earlier run has finished of the candidate, and say what is missing."""
    plan = shared.plan
    wanted = {CANDIDATE, _INPUTS}
    if plan.remedy_additions:
        wanted.add(REMEDY)
    else:
        shared.deliver(shared.sampled[REMEDY], None)
    if plan.ladder != "none":
        wanted.add(LADDER)
    if plan.earn_speed:
        wanted.add(SPEED)
    if plan.sync_probe != "none" and not take_sync(shared, CANDIDATE):
        wanted.add(SYNC)
    for name in (CANDIDATE, REMEDY):
        kept = shared.journal.find(name) if name in wanted else None
        if kept is not None:
            shared.progress(name, FINISHED, 0, 0)
            shared.measured.arms[name] = kept
            shared.deliver(shared.sampled[name], kept)
            wanted.discard(name)
    if (inputs := shared.journal.find(_INPUTS)) is not None:
        measured = shared.measured
        measured.other_inputs, measured.compared_inputs, measured.other_templates = inputs
        wanted.discard(_INPUTS)
    if LADDER in wanted and (ladder := shared.journal.find(LADDER)) is not None:
        shared.measured.ladder = ladder
        wanted.discard(LADDER)
    if SPEED in wanted and (speed := shared.journal.find(SPEED)) is not None:
        shared.measured.speed = speed
        wanted.discard(SPEED)
    return wanted


def _remedy(shared: Shared, process: EngineProcess, slot: str) -> None:
    arguments = {**shared.plan.candidate_args, **shared.plan.remedy_additions}
    run = process.load(REMEDY, arguments, slot=slot)
    _replay_and_sample(shared, process, run, slot=slot)


def _replay_and_sample(
    shared: Shared, process: EngineProcess, run: EngineRun, *, slot: str = wire.MAIN_SLOT
) -> None:
    plan, trace = shared.plan, shared.reference.result()
    sampling = candidate_sampling(plan)
    run.replay = process.force(
        run.name, trace.prompts, trace.rollouts, sampling, slot=slot, path=plan.candidate_path
    )
    run.probe = shared.force_probe(process, run.name, slot=slot)
    run.rollouts = process.sample(
        run.name, trace.prompts, sampling, samples=plan.samples, seed=plan.seed, slot=slot
    )
    if run.name == CANDIDATE:
        run.greedy = _greedy(shared, process, slot)
    if plan.reward is not None and run.name == CANDIDATE:
        run.rewards = score_rollouts(plan.reward, trace.prompts, run.rollouts)
    shared.journal.keep(run.name, run)
    shared.measured.arms[run.name] = run
    shared.deliver(shared.sampled[run.name], run)


def _greedy(shared: Shared, process: EngineProcess, slot: str) -> tuple[Rollout, ...]:
    """Greedy completions of the prompts that the reference completed greedily."""
    plan, trace = shared.plan, shared.reference.result()
    wanted = {rollout.prompt for rollout in trace.greedy} if plan.greedy else set()
    prompts = [prompt for prompt in trace.prompts if prompt.id in wanted]
    if not prompts:
        return ()
    profile = greedy_profile(candidate_sampling(plan))
    made = process.sample(CANDIDATE, prompts, profile, samples=1, seed=plan.seed, slot=slot)
    return tuple(replace(rollout, prompt=prompts[rollout.prompt].id) for rollout in made)


def _compare_inputs(shared: Shared, process: EngineProcess) -> None:
    """Which of the reference's prompts the candidate would turn into other token ids."""
    prompts = [prompt for prompt in shared.reference.result().prompts if prompt.text]
    given = {index for index, line in enumerate(shared.plan.prompts) if line.token_ids}
    prompts = [prompt for prompt in prompts if prompt.id not in given]
    made = read_by(process, prompts)
    shared.measured.compared_inputs = len(prompts)
    shared.measured.other_inputs = tuple(
        prompt.id for prompt, ids in zip(prompts, made, strict=True) if ids != prompt.token_ids
    )
    others = set(shared.measured.other_inputs)
    chats = [prompt for prompt in prompts if prompt.messages and prompt.id in others]
    shared.measured.other_templates = same_from_text(process, chats)
    shared.journal.keep(
        _INPUTS,
        (shared.measured.other_inputs, shared.measured.compared_inputs, shared.measured.other_templates),
    )
