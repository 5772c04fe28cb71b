"""Extends the sample until the verdict is decided: up to four looks, each on more prompts, then on samples.

The prompts are gone through in equal steps. After each, the verdict is taken over everything seen so far,
at the error probabilities `sequential.py` grants that look; PASS or FAIL ends the audit, INCONCLUSIVE goes on
while there are prompts and time. Prompts come first: they are the unit of every interval, and eight more
samples of the same ones tell less than one of another. Where they run out, and more samples of each are
allowed, these are doubled look by look.

How much of the information a look has is counted in sequences. Samples of seen prompts bring less than that,
so the looks before them have more of it than is counted, hang together more closely than the levels assume,
and err together less often: the levels are on the careful side.

A recorded reference can't be sampled further. Its prompts are looked at in the same steps: engines replay no
more than is needed, and what is recorded is the limit.

What explains a difference (the ladder, the probes of weight updates, speed) is run once, with the first look.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.decide.more_samples import seconds_of, with_samples
from vllm_migrate.audit.decide.sequential import levels_of, look_sizes
from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS
from vllm_migrate.audit.result import AuditResult, Cause, Verdict
from vllm_migrate.prompts.strata import labelled
from vllm_migrate.trace.seal import resealed

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
    looks = looks_of(plan, trace)
    fractions = tuple(look.sequences / looks[-1].sequences for look in looks)
    started = time.monotonic()
    evidence: Evidence | None = None
    first: AuditResult | None = None
    result: AuditResult | None = None
    for number, look in enumerate(looks):
        began = time.monotonic()
        part = None if trace is None else part_of(trace, look.start, look.stop)
        found = gather(_block_plan(plan, number, look), part)
        if evidence is not None:
            found = with_samples(evidence, found) if look.again else merged(evidence, found)
        evidence = found
        levels = levels_of(number, fractions)
        result = conclude(replace(plan, levels=levels, samples=look.of_each), evidence)
        first = first or result
        if result.verdict is not Verdict.INCONCLUSIVE or number == len(looks) - 1:
            return evidence, _said(result, first, plan, number, looks, "")
        now = time.monotonic()
        if plan.time_budget is not None and now - started + (now - began) > plan.time_budget:
            return evidence, _said(result, first, plan, number, looks, "the time budget ended it")
    raise AssertionError("a sample is looked at at least once")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look adds.

    Attributes:
        start, stop: its prompts.
        samples: completions of each that are added; `of_each` how many there are of each prompt by then.
        sequences: completions of all prompts by then.
        again: whether the prompts were seen before.
    """

    start: int
    stop: int
    samples: int
    of_each: int
    sequences: int
    again: bool = False


def looks_of(plan: AuditPlan, trace: Trace | None) -> list[Look]:
    """At most four looks on more prompts, then samples doubled up to `plan.most_samples`.

    More samples of fewer prompts than any verdict takes would be in vain, and a recorded reference has none.
    """
    available = len(trace.prompts) if trace is not None else len(plan.prompts)
    samples = plan.samples
    looks: list[Look] = []
    for stop in look_sizes(available, FEWEST_PROMPTS):
        start = looks[-1].stop if looks else 0
        looks.append(Look(start, stop, samples, samples, sequences=stop * samples))
    while trace is None and available >= FEWEST_PROMPTS and samples < plan.most_samples:
        more = min(samples, plan.most_samples - samples)
        samples += more
        looks.append(Look(0, available, more, samples, sequences=available * samples, again=True))
    return looks


def _said(  # noqa: PLR0917 - what a sentence about it needs
    result: AuditResult, first: AuditResult, plan: AuditPlan, number: int, looks: Sequence[Look], why: str
) -> AuditResult:
    """The result, with what only the first look explained, and a line on how it came about."""
    look = looks[number]
    each = f" with {look.of_each} samples of each" if looks[-1].again else ""
    line = (
        f"looked {number + 1} of at most {len(looks)} times, at {look.stop} of {looks[-1].stop} prompts"
        f"{each}, with the error spent over the looks (O'Brien-Fleming)"
    )
    if why:
        line += f"; {why}"
    if plan.reference is not None:
        line += "; only what is recorded can be used"
    if len(looks) == 1:
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


def _block_plan(plan: AuditPlan, number: int, look: Look) -> AuditPlan:
    """The plan of one look: its prompts and samples alone, and only the first explains."""
    seed = plan.seed if plan.reference is not None else plan.seed + number * _SEED_STEP
    prompts = plan.prompts[look.start : look.stop]
    block = replace(plan, prompts=prompts, samples=look.samples, seed=seed, save_reference=None)
    return block if number == 0 else replace(block, **_FIRST_ONLY)


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
    arms = {
        name: _merged_run(run, two.arms[name], offset) for name, run in one.arms.items() if name in two.arms
    }
    return replace(
        one,
        trace=resealed(_merged_trace(one.trace, two.trace, offset)),
        arms=arms,
        timing=seconds_of(one, two),
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
        probe_rollouts=(*one.probe_rollouts, *_moved(two.probe_rollouts, offset)),
        prompt_scores=[*one.prompt_scores, *two.prompt_scores],
    )
