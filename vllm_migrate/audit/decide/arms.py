"""The arms of an audit as its result shows them: measured, and those on trial judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.judge import PROBE_FAMILY, Comparison, Gate, below_noise, judge
from vllm_migrate.audit.evidence import REFERENCE, EngineRun, flat, reported
from vllm_migrate.audit.figures.worst import worst_tokens
from vllm_migrate.audit.result import Arm, Check, Metrics, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.audit.decide.comparisons import Comparisons
    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan

_MOST_PLOTTED = 20_000  # tokens kept per arm for the plots, evenly spaced; the metrics use all


class Arms:
    """Describes the arms of one audit.

    Args:
        plan: what was asked.
        evidence: what came of it.
        comparisons: of its logprobs.
        vocabulary: token texts by id, for the tokens that moved most.
    """

    def __init__(
        self, plan: AuditPlan, evidence: Evidence, comparisons: Comparisons, vocabulary: dict[int, str]
    ) -> None:
        self._plan = plan
        self._trace = evidence.trace
        self._arms = evidence.arms
        self._comparisons = comparisons
        self._vocabulary = vocabulary
        self._reference = flat(rollout.logprobs for rollout in evidence.trace.rollouts)

    def judged(self, name: str) -> tuple[Arm | None, float | None]:
        """An arm with its verdict, None where it did not run.

        Returns:
            The arm, and `below_noise` of what was tested.
        """
        run = self._arms.get(name)
        if run is None:
            return None, None
        reference = self._comparisons.against_reference[name]
        trainer = self._comparisons.against_trainer[name]
        probe = self._comparisons.against_probe[name]
        of_reference = _metrics(self._comparisons.against_trainer.get(REFERENCE))
        tested = []
        if reference is not None:
            tested.append(Gate("reference", reference, (_metrics(self._comparisons.floor), of_reference)))
        if trainer is not None:
            tested.append(Gate("trainer", trainer, (of_reference,)))
        if probe is not None:
            floors = (_metrics(self._comparisons.probe_floor), _metrics(self._comparisons.probe_trainer))
            tested.append(Gate("probe", probe, floors, PROBE_FAMILY))
        verdict, checks = judge(tested, thresholds=self._plan.thresholds, levels=self._plan.levels)
        loud = below_noise(tested, self._plan.thresholds)
        return self._arm(run, reference, trainer, probe, verdict=verdict, checks=checks), loud

    def plain(self, name: str) -> Arm | None:
        """An arm that is measured but not judged."""
        run = self._arms.get(name)
        if run is None:
            return None
        reference = self._comparisons.against_reference[name]
        probe = self._comparisons.against_probe[name]
        return self._arm(run, reference, self._comparisons.against_trainer[name], probe)

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


def _metrics(comparison: Comparison | None) -> Metrics | None:
    return None if comparison is None else comparison.metrics


def _difference(forced: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Forced - reference, with 0 where both are minus infinity."""
    both = np.isneginf(forced) & np.isneginf(reference)
    return np.where(both, 0.0, forced) - np.where(both, 0.0, reference)
