"""From what the engines said to the audit's result: comparisons, verdicts, cause, remedy, reward."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause import attribution
from vllm_migrate.audit.cause.explain import Explanation
from vllm_migrate.audit.cause.replay import ladder_tokens
from vllm_migrate.audit.cause.signatures import Hint, hints, lattice_hint, tokens_of
from vllm_migrate.audit.decide.judge import (
    PROBE_FAMILY,
    Comparison,
    Gate,
    below_noise,
    combine,
    compare,
    judge,
)
from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS, smallest_detectable
from vllm_migrate.audit.evidence import (
    CANDIDATE,
    NOISE_FLOOR,
    REFERENCE,
    REMEDY,
    EngineRun,
    Evidence,
    flat,
    prompts_of,
    raw,
    reported,
    sequences_of,
)
from vllm_migrate.audit.figures.reported import candidate_figures
from vllm_migrate.audit.figures.worst import worst_tokens
from vllm_migrate.audit.result import (
    Arm,
    AuditResult,
    Cause,
    Check,
    Metrics,
    Remedy,
    Reward,
    Verdict,
)
from vllm_migrate.reward.forced import prefer_forced, sequence_weights
from vllm_migrate.reward.histogram import reward_bins
from vllm_migrate.reward.shift import reward_shift
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.sections import Ladder
    from vllm_migrate.trace.model import Rollout, Trace
    from vllm_migrate.workers.protocol import ReplayRecord

_MOST_PLOTTED = 20_000  # tokens kept per arm for the plots, evenly spaced; the metrics use all
_LOUD = 0.02  # nats; above it the reference's own noise or distance to the trainer is worth a warning


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
        self._vocabulary = vocabulary
        self._reference = flat(rollout.logprobs for rollout in self._trace.rollouts)
        self._prompts = prompts_of(self._trace.rollouts)
        self._floor = self._forced(self._trace.rollouts, self._trace.noise_floor)
        self._probe_floor = self._forced(self._trace.probe, self._trace.probe_noise_floor)
        self._against_trainer = {name: self._with_trainer(run) for name, run in self._arms.items()}
        reference = self._arms.get(REFERENCE)
        self._probe_trainer = (
            None if reference is None else self._replayed(self._trace.probe, reference.trainer_probe)
        )
        self._warnings = list(plan.warnings)

    def result(self) -> AuditResult:
        """The result, without timing."""
        candidate, remedy = self._judged(CANDIDATE), self._judged(REMEDY)
        arms = [
            self._plain(REFERENCE),
            self._plain(NOISE_FLOOR),
            candidate,
            remedy,
        ]
        verdict = candidate.verdict if candidate is not None and candidate.verdict else Verdict.INCONCLUSIVE
        checks = candidate.checks if candidate is not None else ()
        ladder = self._ladder()
        cause, evidence = attribution.name_cause(ladder, self._raw_signature(), verdict)
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

    # Comparisons

    def _forced(self, rollouts: Sequence[Rollout], logprobs: Sequence[Sequence[float]]) -> Comparison | None:
        """Logprobs of the reference's tokens under another arm, against the reference's own."""
        if not rollouts or len(logprobs) != len(rollouts):
            return None
        return compare(
            flat(rollout.logprobs for rollout in rollouts),
            flat(logprobs),
            prompts_of(rollouts),
            clip=self._plan.clip,
            policy_is_other=False,
            seed=self._plan.seed,
            sequences=sequences_of(rollouts),
        )

    def _replayed(self, rollouts: Sequence[Rollout], records: Sequence[ReplayRecord]) -> Comparison | None:
        return self._forced(rollouts, [record.logprobs for record in records])

    def _with_trainer(self, run: EngineRun) -> Comparison | None:
        if not run.rollouts or len(run.trainer) != len(run.rollouts):
            return None
        return compare(
            flat(rollout.logprobs for rollout in run.rollouts),
            reported(run.trainer),
            prompts_of(run.rollouts),
            clip=self._plan.clip,
            policy_is_other=True,
            seed=self._plan.seed,
            sequences=sequences_of(run.rollouts),
        )

    # Arms

    def _judged(self, name: str) -> Arm | None:
        run = self._arms.get(name)
        if run is None:
            return None
        reference = self._replayed(self._trace.rollouts, run.replay)
        trainer = self._against_trainer[name]
        probe = self._replayed(self._trace.probe, run.probe)
        of_reference = _metrics(self._against_trainer.get(REFERENCE))
        tested = []
        if reference is not None:
            tested.append(Gate("reference", reference, (_metrics(self._floor), of_reference)))
        if trainer is not None:
            tested.append(Gate("trainer", trainer, (of_reference,)))
        if probe is not None:
            floors = (_metrics(self._probe_floor), _metrics(self._probe_trainer))
            tested.append(Gate("probe", probe, floors, PROBE_FAMILY))
        verdict, checks = judge(tested, thresholds=self._plan.thresholds, levels=self._plan.levels)
        loud = below_noise(tested, self._plan.thresholds)
        if loud is not None and name == CANDIDATE:
            self._warnings.append(
                f"the clip range lies below the engines' noise: of the reference's own {self._clipped_unit()}"
                f" {loud:.0%} leave it though the policy has not moved; the candidate's clip rate can't be"
                " judged"
            )
        return self._arm(run, reference, trainer, probe, verdict=verdict, checks=checks)

    def _plain(self, name: str) -> Arm | None:
        """An arm that is measured but not judged."""
        run = self._arms.get(name)
        if run is None:
            return None
        reference = self._replayed(self._trace.rollouts, run.replay)
        probe = self._replayed(self._trace.probe, run.probe)
        return self._arm(run, reference, self._against_trainer[name], probe)

    def _arm(
        self,
        run: EngineRun,
        reference: Comparison | None,
        trainer: Comparison | None,
        probe: Comparison | None,
        *,
        verdict: Verdict | None = None,
        checks: tuple[Check, ...] = (),
    ) -> Arm:
        plotted = np.zeros(0, dtype=np.int64)
        d = np.zeros(0)
        if reference is not None:
            forced = reported(run.replay)
            finite = np.flatnonzero(np.isfinite(forced) & np.isfinite(self._reference))
            plotted = finite[:: max(1, -(-len(finite) // _MOST_PLOTTED))]
            d = (
                forced - self._reference
                if len(finite) == len(forced)
                else _difference(forced, self._reference)
            )
        positions = np.concatenate([np.arange(len(r.token_ids)) for r in self._trace.rollouts])
        return Arm(
            name=run.name,
            engine=run.engine,
            engine_class=run.loaded.engine_class,
            runner=run.loaded.runner,
            version=run.loaded.version,
            settings=run.loaded.settings,
            verdict=verdict,
            against_reference=_metrics(reference),
            against_trainer=_metrics(trainer),
            against_probe=_metrics(probe),
            checks=checks,
            deltas=tuple(d[plotted].tolist()),
            positions=tuple(positions[plotted].tolist()),
            reference_logprobs=tuple(self._reference[plotted].tolist()),
            worst=()
            if reference is None
            else worst_tokens(self._trace, self._reference, reported(run.replay), self._vocabulary),
            note=run.note,
        )

    # What follows from them

    def _ladder(self) -> Ladder | None:
        """What was tried to explain the candidate's excess."""
        run, reference = self._evidence.ladder, self._arms.get(REFERENCE)
        if run is None:
            return None
        _, rollouts, sampling = ladder_tokens(self._plan, self._trace)
        floor = self._probe_floor if run.on_probe else self._floor
        trainer = [] if reference is None else reference.trainer_probe if run.on_probe else reference.trainer
        chosen = [rollouts[index] for index in run.chosen]
        scored = [trainer[index] for index in run.chosen] if len(trainer) == len(rollouts) else []
        return Explanation(
            run,
            flat(rollout.logprobs for rollout in chosen),
            prompts_of(chosen),
            floor=0.0 if floor is None else floor.metrics.mean_abs.value,
            trainer_raw=raw(scored),
            seed=self._plan.seed,
        ).ladder(self._hints(rollouts, sampling, on_probe=run.on_probe))

    def _hints(
        self, rollouts: Sequence[Rollout], sampling: wire.SamplingSettings, *, on_probe: bool
    ) -> list[Hint]:
        """What the candidate's numbers say about a cause by themselves."""
        candidate = self._arms.get(CANDIDATE)
        records = [] if candidate is None else candidate.probe if on_probe else candidate.replay
        if len(records) != len(rollouts):
            return []
        reference = flat(rollout.logprobs for rollout in rollouts)
        tokens = tokens_of(self._trace.prompts, rollouts, reference, reported(records))
        lattice = lattice_hint(
            [row for rollout in rollouts for row in rollout.top_logprobs],
            [row for record in records for row in record.top_logprobs],
            temperature=sampling.temperature,
        )
        return [*hints(tokens, sampling), *([] if lattice is None else [lattice])]

    def _raw_signature(self) -> attribution.Signature | None:
        """Whether the candidate's logprobs are its own raw ones."""
        candidate = self._arms.get(CANDIDATE)
        if candidate is None:
            return None
        on_probe = bool(candidate.probe)
        rollouts = self._trace.probe if on_probe else self._trace.rollouts
        records = candidate.probe if on_probe else candidate.replay
        tapped = raw(records)
        if not len(
            tapped
        ):  # a runner that can't be tapped: the trainer's raw logprobs of the same tokens serve
            of_reference = self._arms.get(REFERENCE)
            if of_reference is None:
                return None
            tapped = raw(of_reference.trainer_probe if on_probe else of_reference.trainer)
        reference = flat(rollout.logprobs for rollout in rollouts)
        return attribution.raw_signature(reported(records), tapped, reference)

    def _settings(self, verdict: Verdict, cause: Cause, remedy: Arm | None) -> dict[str, object]:
        """What to add to the candidate: the remedy if it was shown to work, else what the cause asks for."""
        if verdict is Verdict.PASS:
            return {}
        if remedy is not None and remedy.verdict is Verdict.PASS:
            return dict(self._plan.remedy_additions)
        return {"logprobs_mode": "processed_logprobs"} if cause is Cause.RAW_LOGPROBS else {}

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
            function=f"{self._plan.reward.file.name}:{self._plan.reward.name}",
            seed=self._plan.seed,
            thresholds=self._plan.thresholds,
        )
        if self._plan.candidate_sampling is None:  # else it samples from another distribution
            weights = sequence_weights(self._trace.rollouts, candidate, self._plan.sampling)
            shift = prefer_forced(
                shift, reference.rewards, self._trace.rollouts, weights, seed=self._plan.seed
            )
        return replace(shift, distribution=reward_bins(reference.rewards, candidate.rewards))

    def _detectable(self, checks: tuple[Check, ...]) -> float | None:
        candidate = self._arms.get(CANDIDATE)
        comparison = None if candidate is None else self._replayed(self._trace.rollouts, candidate.replay)
        if comparison is None:
            return None
        margin = next(check.margin for check in checks if check.metric == "mean_abs")
        return margin + smallest_detectable(comparison.bootstrap.standard_error("mean_abs"))

    def _warn(self) -> None:
        prompts = len(self._trace.prompts)
        if prompts < FEWEST_PROMPTS:
            self._warnings.append(
                f"{prompts} prompts are too few to conclude; give at least {FEWEST_PROMPTS}"
            )
        if not self._plan.remedy_additions:
            self._warnings.append("no remedy arm: the candidate already has the parity recipe")
        if self._floor is not None and self._floor.metrics.mean_abs.value > _LOUD:
            value = self._floor.metrics.mean_abs.value
            self._warnings.append(
                f"the reference does not repeat itself: mean |Δlogp| {value:.4f} against itself"
            )
        of_reference = self._against_trainer.get(REFERENCE)
        if of_reference is not None and of_reference.metrics.mean_abs.value > _LOUD:
            value = of_reference.metrics.mean_abs.value
            self._warnings.append(
                f"the reference itself is mean |Δlogp| {value:.4f} from the trainer's fp32 forward;"
                " the candidate's distance to the trainer is judged relative to that"
            )


def conclude(plan: AuditPlan, evidence: Evidence, vocabulary: dict[int, str]) -> AuditResult:
    """The audit's result from what its engines said, without timing."""
    return Conclusion(plan, evidence, vocabulary).result()


def _metrics(comparison: Comparison | None) -> Metrics | None:
    return None if comparison is None else comparison.metrics


def _difference(forced: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Forced - reference, with 0 where both are minus infinity."""
    both = np.isneginf(forced) & np.isneginf(reference)
    return np.where(both, 0.0, forced) - np.where(both, 0.0, reference)
