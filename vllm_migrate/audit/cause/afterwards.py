"""What a result says beyond verdict and cause: inputs, settings side by side, speed, what to do next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.cause.causes import ABOUT
from vllm_migrate.audit.cause.correction import correction_advice
from vllm_migrate.audit.cause.earn_speed import speedup
from vllm_migrate.audit.decide.judge import Gate, compare, judge
from vllm_migrate.audit.evidence import CANDIDATE, NOISE_FLOOR, REFERENCE, REMEDY, flat, prompts_of, reported
from vllm_migrate.audit.result import AuditResult, Cause, Verdict
from vllm_migrate.audit.sections import Advice, Invariant, SettingRow, SpeedOption
from vllm_migrate.engines.endpoint.client import RUNNER

if TYPE_CHECKING:
    from vllm_migrate.audit.cause.evidence import SpeedRun
    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan

SAME_INPUTS = "same-prompt-ids"


def complete(result: AuditResult, plan: AuditPlan, evidence: Evidence) -> AuditResult:
    """The result with these parts; the cause may become what the inputs show, the verdict FAIL."""
    result = _with_inputs(result, evidence)
    result = replace(
        result,
        settings_table=settings_table(result, plan, evidence),
        speed=(*result.speed, *speed_options(result, plan, evidence)),
    )
    correction = correction_advice(result, evidence)
    return replace(result, advice=(*_remedies(result), *result.advice, *([correction] if correction else [])))


def _with_inputs(result: AuditResult, evidence: Evidence) -> AuditResult:
    """Whether both engines make the same token ids of the same text. That gates: nothing else would show it.

    Every arm is handed the reference's ids, so a difference here moves no other figure of the audit.
    """
    if not evidence.compared_inputs:
        return result
    count, of = len(evidence.other_inputs), evidence.compared_inputs
    words = "" if not count else f"prompts {_some(evidence.other_inputs)} get other token ids"
    invariant = Invariant(
        SAME_INPUTS, not count, value=count / of, allowed=0.0, unit="share of prompts", tokens=0, note=words
    )
    result = replace(result, invariants=(*result.invariants, invariant))
    if not count or result.verdict is None:
        return result
    cause, said = Cause.INPUTS, f"the candidate's tokenizer makes other ids of {count} of {of} prompts"
    if set(evidence.other_templates) >= set(evidence.other_inputs):
        cause = Cause.CHAT_TEMPLATE
        said = (
            f"the candidate's chat template turns {count} of {of} prompts into another text; given the"
            " reference's text, its tokenizer makes the reference's ids of them"
        )
    if result.cause not in (Cause.NONE, Cause.UNEXPLAINED):
        return replace(
            result, verdict=Verdict.FAIL, cause_evidence=f"{result.cause_evidence}; besides, {said}"
        )
    reason = result.reason if result.verdict is Verdict.FAIL else "invariant"
    return replace(result, verdict=Verdict.FAIL, reason=reason, cause=cause, cause_evidence=said)


def _some(ids: tuple[int, ...]) -> str:
    few = ", ".join(map(str, ids[:5]))
    return f"{few} and {len(ids) - 5} more" if len(ids) > 5 else few  # noqa: PLR2004 - a line's worth


def settings_table(result: AuditResult, plan: AuditPlan, evidence: Evidence) -> tuple[SettingRow, ...]:
    """Effective settings of every arm side by side, those that differ or were changed; others say nothing."""
    arms = {arm.name: arm.settings for arm in result.arms}
    reference, candidate = arms.get(REFERENCE, {}), arms.get(CANDIDATE, {})
    remedy = arms.get(REMEDY, {})
    served = any(arm.name == CANDIDATE and arm.runner == RUNNER for arm in result.arms)  # and tells little
    ladder = evidence.ladder
    tried = {key for step in ladder.steps.values() for key in step.setting} if ladder is not None else set()
    touched = [
        name
        for name in dict.fromkeys((*reference, *candidate, *plan.candidate_args))
        if (reference.get(name) != candidate.get(name) or name in tried or name in plan.remedy_additions)
        and (name in candidate or name in plan.candidate_args or not served)
    ]
    return tuple(
        SettingRow(
            name,
            _plain(reference.get(name)),
            _plain(candidate.get(name, plan.candidate_args.get(name))),
            _plain(remedy.get(name, plan.remedy_additions.get(name))) if remedy else None,
            given="you" if name in plan.candidate_args else "default",
            tried=name in tried,
        )
        for name in touched
    )


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def speed_options(result: AuditResult, plan: AuditPlan, evidence: Evidence) -> tuple[SpeedOption, ...]:
    """Every optimisation that was tried, judged on the reference's tokens as the candidate is."""
    parity = result.verdict is Verdict.PASS or (
        result.remedy is not None and result.remedy.verdict is Verdict.PASS
    )
    return tuple(_option(run, result, plan, evidence, parity=parity) for run in evidence.speed)


def _option(
    run: SpeedRun, result: AuditResult, plan: AuditPlan, evidence: Evidence, *, parity: bool
) -> SpeedOption:
    gained = speedup(run.ratios)
    if not run.records:
        return SpeedOption(run.option.settings, Verdict.INCONCLUSIVE, gained, note=run.note)
    rollouts = [evidence.trace.rollouts[index] for index in run.chosen]
    metrics = {arm.name: arm for arm in result.arms}
    floor, reference = metrics.get(NOISE_FLOOR), metrics.get(REFERENCE)
    comparison = compare(
        flat(rollout.logprobs for rollout in rollouts),
        reported(run.records),
        prompts_of(rollouts),
        clip=plan.clip,
        policy_is_other=False,
        seed=plan.seed,
    )
    floors = (
        None if floor is None else floor.against_reference,
        None if reference is None else reference.against_trainer,
    )
    verdict, _ = judge([Gate("reference", comparison, floors)], thresholds=plan.thresholds)
    notes = [run.note, "" if parity else "the parity settings themselves did not pass"]
    width = 0.0 if gained.low is None or gained.high is None else gained.high - gained.low
    return SpeedOption(
        run.option.settings,
        verdict,
        gained,
        recommended=parity and verdict is Verdict.PASS and gained.value - 1.0 > width,
        note="; ".join(note for note in notes if note),
    )


def _remedies(result: AuditResult) -> tuple[Advice, ...]:
    """What to do about the cause, unless another part of the audit has said it already."""
    if result.cause in (Cause.NONE, Cause.UNEXPLAINED) or result.advice:
        return ()
    about = ABOUT[result.cause]
    return (Advice(about.title, f"{about.remedy}; {result.cause_evidence}", dict(result.settings)),)
