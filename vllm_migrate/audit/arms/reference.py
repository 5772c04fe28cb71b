"""The reference: sampled once, and its tokens replayed by an engine of its kind for the noise floor."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from vllm_migrate.audit.arms.shared import FINISHED
from vllm_migrate.audit.arms.sync import probe_sync, take_sync
from vllm_migrate.audit.cause.replay import replay_counterparts
from vllm_migrate.audit.encode import encoded
from vllm_migrate.audit.evidence import NOISE_FLOOR, REFERENCE
from vllm_migrate.audit.plan import PROBE_PROMPTS, greedy_profile, prompts_with_top
from vllm_migrate.audit.provenance import provenance_of
from vllm_migrate.errors import VllmMigrateError
from vllm_migrate.trace.model import Prompt, Rollout, Trace

if TYPE_CHECKING:
    from vllm_migrate.audit.arms.shared import Shared
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.workers import protocol as wire

_COUNTERPARTS = "counterparts"  # name of the finished part in the journal


def run_reference(
    shared: Shared, environment: EngineEnvironment, *, model_hash: str, only_reference: bool
) -> None:
    """Sample the reference, and do what else needs its engine.

    Args:
        shared: what the arms share.
        environment: of the reference.
        model_hash: of the checkpoint, for the trace.
        only_reference: whether no candidate follows.
    """
    plan = shared.plan
    if _take_reference(shared, only_reference=only_reference):
        return
    with shared.process(environment, REFERENCE) as process:
        run = process.load(REFERENCE, plan.v0_args)
        if not shared.reference.done():
            _sample_reference(shared, process, run, model_hash)
        process.narrow()
        if not shared.counterparts.done():
            _replay_counterparts(shared, process, only_reference=only_reference)
        if plan.sync_probe == "all" and not only_reference:
            probe_sync(shared, process, run, level="all", together=environment.device == "cpu")


def run_noise_floor(shared: Shared, environment: EngineEnvironment) -> None:
    """The reference's tokens through its own engine once more, in another order and in smaller batches."""
    plan = shared.plan
    if (kept := shared.journal.find(NOISE_FLOOR)) is not None:
        shared.progress(NOISE_FLOOR, FINISHED, 0, 0)
        shared.measured.arms[NOISE_FLOOR] = kept
        return
    with shared.process(environment, NOISE_FLOOR) as process:
        run = process.load(NOISE_FLOOR, plan.v0_args)
        trace = shared.reference.result()
        limit = int(run.loaded.settings.get("max_num_seqs") or len(trace.rollouts))
        share = -(-len(trace.rollouts) // process.replicas)
        half = max(1, min(limit, share) // 2)
        order = list(range(len(trace.rollouts)))
        random.Random(plan.seed).shuffle(order)  # noqa: S311 - another order, not a secret
        run.replay = process.force(
            NOISE_FLOOR, trace.prompts, trace.rollouts, plan.sampling, order=order, max_num_seqs=half
        )
        run.probe = shared.force_probe(process, NOISE_FLOOR)
    shared.journal.keep(NOISE_FLOOR, run)
    shared.measured.arms[NOISE_FLOOR] = run


def _take_reference(shared: Shared, *, only_reference: bool) -> bool:
    """Take what an earlier run has finished; whether that is all there is to do."""
    trace = shared.journal.find(REFERENCE)
    if trace is None:
        return False
    shared.progress(REFERENCE, FINISHED, 0, 0)
    shared.deliver(shared.reference, trace)
    counterparts = {} if shared.plan.ladder == "none" else shared.journal.find(_COUNTERPARTS)
    if only_reference:
        counterparts = {}
    if counterparts is not None:
        shared.deliver(shared.counterparts, counterparts)
    syncing = shared.plan.sync_probe == "all" and not only_reference
    return counterparts is not None and (not syncing or take_sync(shared, REFERENCE))


def _sample_reference(shared: Shared, process: EngineProcess, run: EngineRun, model_hash: str) -> None:
    plan = shared.plan
    prompts = _tokenized(shared, process)
    rollouts = process.sample(
        REFERENCE,
        prompts,
        plan.sampling,
        samples=plan.samples,
        seed=plan.seed,
        top_prompts=prompts_with_top(len(prompts), plan.samples),
    )
    probe: tuple[Rollout, ...] = ()
    if plan.probe is not None:
        some = prompts[:PROBE_PROMPTS]
        probe = process.sample(REFERENCE, some, plan.probe, samples=plan.samples, seed=plan.seed)
    greedy: tuple[Rollout, ...] = ()
    if some := prompts[: plan.greedy]:
        greedy = process.sample(REFERENCE, some, greedy_profile(plan.sampling), samples=1, seed=plan.seed)
    made = provenance_of(plan, run, model=model_hash)
    trace = Trace(made, prompts, rollouts, probe=probe, greedy=greedy)
    shared.journal.keep(REFERENCE, trace)
    shared.deliver(shared.reference, trace)


def _replay_counterparts(shared: Shared, process: EngineProcess, *, only_reference: bool) -> None:
    """What the ladder compares with where a change makes sense on both sides only; none if that fails."""
    found: dict[tuple[str, ...], list[wire.ReplayRecord]] = {}
    try:
        if shared.plan.ladder != "none" and not only_reference:
            found = replay_counterparts(process, shared.plan, shared.reference.result())
            shared.journal.keep(_COUNTERPARTS, found)
    except VllmMigrateError:
        if shared.stopped:
            raise
    shared.deliver(shared.counterparts, found)


def _tokenized(shared: Shared, process: EngineProcess) -> tuple[Prompt, ...]:
    """The prompts with the reference's token ids; every arm gets these ids, never the text."""
    return encoded(process, shared.plan.prompts, shared.plan.strata)
