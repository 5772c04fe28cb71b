"""Extends the sample until the verdict is decided: up to four looks, each on more prompts.

The prompts are gone through in equal steps. After each, the verdict is taken over everything seen so far,
at the error probabilities `sequential.py` grants that look; PASS or FAIL ends the audit, INCONCLUSIVE goes on
while there are prompts and time. Samples of prompts already seen are not added: the prompt is the unit of
every interval, and eight more samples of the same prompts tell less than one of another.

A recorded reference can't be sampled further. Its prompts are looked at in the same steps: engines replay no
more than is needed, and what is recorded is the limit.

What explains a difference (the ladder, the probes of weight updates, speed) is run once, with the first look.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.decide.sequential import levels_of, look_sizes
from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS
from vllm_migrate.audit.prompts.strata import labelled
from vllm_migrate.audit.result import AuditResult, Cause, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.audit.evidence import EngineRun, Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.trace.model import Rollout, Trace

    Gather = Callable[[AuditPlan, Trace | None], Evidence]
    Conclude = Callable[[AuditPlan, Evidence], AuditResult]

_FIRST_ONLY: dict[str, Any] = {"ladder": "none", "sync_probe": "none", "earn_speed": False, "greedy": 0}
_SEED_STEP = 1_000_003  # keeps the seeds of one look's requests apart from those of the next


def run_looks(
    plan: AuditPlan, trace: Trace | None, gather: Gather, conclude: Conclude
) -> tuple[Evidence, AuditResult]:
    """Look until decided.

    Args:
        plan: of the whole sample; `plan.time_budget` seconds bound the start of another look, None does not.
        trace: a recorded reference, whose prompts then are the sample.
        gather: runs a plan's arms.
        conclude: takes the verdict over evidence.
    """
    available = len(trace.prompts) if trace is not None else len(plan.prompts)
    sizes = look_sizes(available, FEWEST_PROMPTS)
    fractions = tuple(size / sizes[-1] for size in sizes)
    started = time.monotonic()
    evidence: Evidence | None = None
    first: AuditResult | None = None
    result: AuditResult | None = None
    for look, size in enumerate(sizes):
        began = time.monotonic()
        seen = 0 if look == 0 else sizes[look - 1]
        found = gather(
            _block_plan(plan, look, seen, size), None if trace is None else part_of(trace, seen, size)
        )
        evidence = found if evidence is None else merged(evidence, found)
        result = conclude(replace(plan, levels=levels_of(look, fractions)), evidence)
        first = first or result
        if result.verdict is not Verdict.INCONCLUSIVE or look == len(sizes) - 1:
            return evidence, _said(result, first, plan, look, sizes, "")
        now = time.monotonic()
        if plan.time_budget is not None and now - started + (now - began) > plan.time_budget:
            return evidence, _said(result, first, plan, look, sizes, "the time budget ended it")
    raise AssertionError("a sample is looked at at least once")


def _said(  # noqa: PLR0917 - what a sentence about it needs
    result: AuditResult, first: AuditResult, plan: AuditPlan, look: int, sizes: Sequence[int], why: str
) -> AuditResult:
    """The result, with what only the first look explained, and a line on how it came about."""
    line = (
        f"looked {look + 1} of at most {len(sizes)} times, at {sizes[look]} of {sizes[-1]} prompts, with the"
        " error spent over the looks (O'Brien-Fleming)"
    )
    if why:
        line += f"; {why}"
    if plan.reference is not None:
        line += "; only what is recorded can be used"
    if len(sizes) == 1:
        line += f"; more looks need at least {2 * FEWEST_PROMPTS} prompts"
    if result is not first:
        explained = first if first.cause is not Cause.NONE and result.verdict is not Verdict.PASS else result
        result = replace(
            result,
            cause=explained.cause,
            cause_evidence=explained.cause_evidence,
            ladder=first.ladder,
            invariants=first.invariants,
            sync=first.sync,
            speed=first.speed,
        )
    return replace(result, warnings=(*result.warnings, line))


def _block_plan(plan: AuditPlan, look: int, start: int, stop: int) -> AuditPlan:
    """The plan of one look: its prompts alone, and only the first explains."""
    seed = plan.seed if plan.reference is not None else plan.seed + look * _SEED_STEP
    block = replace(plan, prompts=plan.prompts[start:stop], seed=seed, save_reference=None)
    return block if look == 0 else replace(block, **_FIRST_ONLY)


def part_of(trace: Trace, start: int, stop: int) -> Trace:
    """The prompts `start` to `stop` of a trace, numbered from 0, with everything that belongs to them."""

    def chosen(rollouts: Sequence[Rollout]) -> list[int]:
        return [index for index, rollout in enumerate(rollouts) if start <= rollout.prompt < stop]

    def taken(rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        return tuple(
            replace(rollouts[index], prompt=rollouts[index].prompt - start) for index in chosen(rollouts)
        )

    main, probe = chosen(trace.rollouts), chosen(trace.probe)
    return replace(
        trace,
        prompts=tuple(replace(prompt, id=index) for index, prompt in enumerate(trace.prompts[start:stop])),
        rollouts=taken(trace.rollouts),
        noise_floor=tuple(trace.noise_floor[index] for index in main) if trace.noise_floor else (),
        probe=taken(trace.probe),
        greedy=taken(trace.greedy),
        probe_noise_floor=tuple(trace.probe_noise_floor[i] for i in probe) if trace.probe_noise_floor else (),
    )


def merged(one: Evidence, two: Evidence) -> Evidence:
    """Evidence over the prompts of both, those of the second after those of the first."""
    offset = len(one.trace.prompts)
    timing = dict(one.timing)
    for stage, seconds in two.timing.items():
        timing[stage] = round(timing.get(stage, 0.0) + seconds, 3)
    arms = {
        name: _merged_run(run, two.arms[name], offset) for name, run in one.arms.items() if name in two.arms
    }
    return replace(
        one,
        trace=_merged_trace(one.trace, two.trace, offset),
        arms=arms,
        timing=timing,
        ladder=None,
        other_inputs=(*one.other_inputs, *(prompt + offset for prompt in two.other_inputs)),
        other_templates=(*one.other_templates, *(prompt + offset for prompt in two.other_templates)),
        compared_inputs=one.compared_inputs + two.compared_inputs,
    )


def _merged_trace(one: Trace, two: Trace, offset: int) -> Trace:
    floors = bool(one.noise_floor) and bool(two.noise_floor)
    # A later look may hold no prompt of the probe; its floor is complete all the same.
    probe_floors = len(one.probe_noise_floor) == len(one.probe) and len(two.probe_noise_floor) == len(
        two.probe
    )
    prompts = (*one.prompts, *(replace(prompt, id=prompt.id + offset) for prompt in two.prompts))
    strata = {prompt.stratum for prompt in one.prompts if prompt.stratum}
    return replace(
        one,
        prompts=labelled(prompts, len(strata)) if strata else prompts,
        rollouts=(*one.rollouts, *_moved(two.rollouts, offset)),
        noise_floor=(*one.noise_floor, *two.noise_floor) if floors else (),
        probe=(*one.probe, *_moved(two.probe, offset)),
        greedy=(*one.greedy, *_moved(two.greedy, offset)),
        probe_noise_floor=(*one.probe_noise_floor, *two.probe_noise_floor) if probe_floors else (),
    )


def _moved(rollouts: Sequence[Rollout], offset: int) -> tuple[Rollout, ...]:
    return tuple(replace(rollout, prompt=rollout.prompt + offset) for rollout in rollouts)


def _merged_run(one: EngineRun, two: EngineRun, offset: int) -> EngineRun:
    """Both runs' records and rollouts end to end; what describes the engine is the first's."""
    return replace(
        one,
        replay=[*one.replay, *two.replay],
        probe=[*one.probe, *two.probe],
        rollouts=(*one.rollouts, *_moved(two.rollouts, offset)),
        greedy=(*one.greedy, *_moved(two.greedy, offset)),
        rewards=[*one.rewards, *two.rewards],
        trainer=[*one.trainer, *two.trainer],
        trainer_probe=[*one.trainer_probe, *two.trainer_probe],
    )
