"""From what the engines said to the audit's result: comparisons, verdicts, cause, remedy, reward."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.cause import attribution
from vllm_migrate.audit.cause.account import explained, raw_signature, rounding
from vllm_migrate.audit.decide.arms import Arms
from vllm_migrate.audit.decide.comparisons import Comparisons
from vllm_migrate.audit.decide.judge import combine
from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS, smallest_detectable
from vllm_migrate.audit.evidence import CANDIDATE, NOISE_FLOOR, REFERENCE, REMEDY
from vllm_migrate.audit.figures.reported import candidate_figures
from vllm_migrate.audit.result import Arm, AuditResult, Cause, Check, Remedy, Reward, Verdict
from vllm_migrate.audit.shift.forced import FORCED, prefer_forced, sequence_weights
from vllm_migrate.audit.shift.histogram import reward_bins
from vllm_migrate.audit.shift.judge import reward_shift
from vllm_migrate.audit.shift.parts import split_of
from vllm_migrate.engines.endpoint.find import is_url
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from vllm_migrate.audit.cause.attribution import Signature
    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.trace.model import Trace

_CURES: dict[Cause, dict[str, object]] = {
    Cause.RAW_LOGPROBS: {"logprobs_mode": "processed_logprobs"},
    Cause.GENERATION_CONFIG: {"generation_config": "vllm"},
}
"""Engine arguments that a cause asks for by itself."""

_LOUD = 0.02  # nats; above it the reference's own noise or distance to the trainer is worth a warning


def named_by_numbers(result: AuditResult, signature: Signature, evidence: str) -> AuditResult:
    """The result with raw logprobs named as the cause where the candidate's numbers alone say so.

    Where an engine runs, an audit proves it by changing the setting.

    Args:
        result: so far.
        signature: of the candidate's logprobs.
        evidence: what says that they are raw ones, in words.
    """
    if result.verdict is not Verdict.FAIL or not signature.raw:
        return result
    return replace(
        result,
        cause=Cause.RAW_LOGPROBS,
        cause_evidence=f"{evidence}; no setting was changed to prove it",
        settings=dict(_CURES[Cause.RAW_LOGPROBS]),
    )


class Conclusion:
    """Works out the result of one audit.

    Args:
        plan: what was asked.
        evidence: what came of it.
        vocabulary: token texts by id, for the tokens that moved most.
    """

    def __init__(self, plan: AuditPlan, evidence: Evidence, vocabulary: dict[int, str]) -> None:
        self._plan = plan
        self._trace: Trace = evidence.trace
        self._evidence = evidence
        self._arms = evidence.arms
        self._comparisons = Comparisons(plan, evidence)
        self._described = Arms(plan, evidence, self._comparisons, vocabulary)
        self._warnings = list(plan.warnings)

    def result(self) -> AuditResult:
        """The result, without timing."""
        candidate, loud = self._described.judged(CANDIDATE)
        remedy, _ = self._described.judged(REMEDY)
        self._warn_of_noise(loud)
        arms = [
            self._described.plain(REFERENCE),
            self._described.plain(NOISE_FLOOR),
            candidate,
            remedy,
        ]
        verdict = candidate.verdict if candidate is not None and candidate.verdict else Verdict.INCONCLUSIVE
        checks = candidate.checks if candidate is not None else ()
        ladder = explained(self._plan, self._evidence, self._comparisons)
        cause, evidence = attribution.name_cause(
            ladder,
            raw_signature(self._evidence),
            verdict,
            rounding=rounding(self._evidence, self._comparisons),
        )
        reward = self._reward()
        reason = self._reason(verdict, checks)
        if self._plan.require_reward and reward is not None and reward.verdict is not Verdict.PASS:
            gated = combine([verdict, reward.verdict])
            reason = reason if verdict is gated else "reward"
            verdict = gated
        self._warn()
        figures = candidate_figures(
            self._trace, self._arms.get(CANDIDATE), self._plan.thresholds, seed=self._plan.seed
        )
        return AuditResult(
            verdict=verdict,
            reason=reason,
            cause=cause,
            cause_evidence=evidence,
            settings=self._settings(verdict, cause, remedy),
            remedy=None if remedy is None else Remedy(self._plan.remedy_additions, remedy.verdict),
            reward=reward,
            arms=tuple(arm for arm in arms if arm is not None),
            timing={},
            model=str(self._plan.model),
            sampling=wire.to_wire(self._plan.sampling),
            clip_range=self._plan.clip.low,
            clip_range_high=self._plan.clip.high,
            objective=self._plan.clip.objective,
            profile=self._plan.thresholds.profile,
            diagnostics=figures.diagnostics,
            bands=figures.bands,
            forest=figures.forest,
            prompts=len(self._trace.prompts),
            warnings=tuple(self._warnings),
            smallest_detectable=self._detectable(checks),
            ladder=ladder,
        )

    def _clipped_unit(self) -> str:
        return "sequences" if self._plan.clip.by_sequence else "tokens"

    def _settings(self, verdict: Verdict, cause: Cause, remedy: Arm | None) -> dict[str, object]:
        """What to add to the candidate: the remedy if it was shown to work, else what the cause asks for."""
        if verdict is Verdict.PASS:
            return {}
        if remedy is not None and remedy.verdict is Verdict.PASS:
            return dict(self._plan.remedy_additions)
        return dict(_CURES.get(cause, {}))

    def _reason(self, verdict: Verdict, checks: tuple[Check, ...]) -> str:
        if verdict is Verdict.PASS:
            return "pass"
        if verdict is Verdict.FAIL:
            return "divergence"
        if len(self._trace.prompts) < FEWEST_PROMPTS or not checks:
            return "too-few-prompts"
        return "underpowered"

    def _reward(self) -> Reward | None:
        reference, candidate = self._arms.get(REFERENCE), self._arms.get(CANDIDATE)
        if self._plan.reward is None or reference is None or candidate is None:
            return None
        shift = reward_shift(
            reference.rewards,
            [rollout.prompt for rollout in reference.rollouts],
            candidate.rewards,
            [rollout.prompt for rollout in candidate.rollouts],
            function=self._plan.reward.short,
            seed=self._plan.seed,
            thresholds=self._plan.thresholds,
        )
        if self._plan.candidate_sampling is None:  # else it samples from another distribution
            weights = sequence_weights(self._trace.rollouts, candidate, self._plan.sampling)
            shift = prefer_forced(
                shift, reference.rewards, self._trace.rollouts, weights, seed=self._plan.seed
            )
        split = split_of(
            self._trace.prompts,
            (reference.rollouts, reference.rewards),
            (candidate.rollouts, candidate.rewards),
            forced=shift.method == FORCED,
            seed=self._plan.seed,
        )
        return replace(shift, distribution=reward_bins(reference.rewards, candidate.rewards), split=split)

    def _detectable(self, checks: tuple[Check, ...]) -> float | None:
        comparison = self._comparisons.against_reference.get(CANDIDATE)
        if comparison is None:
            return None
        margin = next(check.margin for check in checks if check.metric == "mean_abs")
        return margin + smallest_detectable(comparison.bootstrap.standard_error("mean_abs"))

    def _warn_of_noise(self, loud: float | None) -> None:
        if loud is not None:
            self._warnings.append(
                f"the clip range lies below the engines' noise: of the reference's own {self._clipped_unit()}"
                f" {loud:.0%} leave it though the policy has not moved; the candidate's clip rate can't be"
                " judged"
            )

    def _warn(self) -> None:
        prompts = len(self._trace.prompts)
        if prompts < FEWEST_PROMPTS:
            self._warnings.append(
                f"{prompts} prompts are too few to conclude; give at least {FEWEST_PROMPTS}"
            )
        if not self._plan.remedy_additions and not is_url(self._plan.v1):
            self._warnings.append("no remedy arm: the candidate already has the parity recipe")
        if self._comparisons.floor is not None and self._comparisons.floor.metrics.mean_abs.value > _LOUD:
            value = self._comparisons.floor.metrics.mean_abs.value
            self._warnings.append(
                f"the reference does not repeat itself: mean |Δlogp| {value:.4f} against itself"
            )
        of_reference = self._comparisons.against_trainer.get(REFERENCE)
        if of_reference is not None and of_reference.metrics.mean_abs.value > _LOUD:
            value = of_reference.metrics.mean_abs.value
            self._warnings.append(
                f"the reference itself is mean |Δlogp| {value:.4f} from the trainer's fp32 forward;"
                " the candidate's distance to the trainer is judged relative to that"
            )


def conclude(plan: AuditPlan, evidence: Evidence, vocabulary: dict[int, str]) -> AuditResult:
    """The audit's result from what its engines said, without timing."""
    return Conclusion(plan, evidence, vocabulary).result()
