"""Whether an importance-sampling correction is needed, and what the usual ones would do to the user's tokens.

Correctness comes before corrections: while the engine reports or computes something else than it should, a
correction hides that and makes the curves hard to read. So the advice is withheld until the candidate passes,
or its remedy does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.evidence import CANDIDATE, REMEDY, flat, reported
from vllm_migrate.audit.result import AuditResult, Cause, Verdict
from vllm_migrate.audit.sections import Advice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.audit.evidence import EngineRun, Evidence

    Floats = NDArray[np.float64]

TOKEN_CAP = 2.0
"""Token-level truncation (TIS): the default of verl's rollout_is_threshold and slime's --tis-clip."""

SEQUENCE_CAP = 3.0
"""Sequence masks (MIS) by the product of ratios: TRL's default mode and vllm_importance_sampling_clip_max."""

_HEALTHY_ESS = 0.98  # judgement, tighter than verl's alarm at 0.3
_RARE = 0.001  # share of tokens beyond the cap that R3's F(2) finds in healthy runs (arXiv 2510.11370)
_MANY_SEQUENCES = 0.05


def correction_advice(result: AuditResult, evidence: Evidence) -> Advice | None:
    """The advice; None where no arm was scored by the trainer."""
    name = _cleared(result)
    if name is None:
        why = "no cause is known" if result.cause in (Cause.NONE, Cause.UNEXPLAINED) else result.cause.value
        return Advice(
            "No importance-sampling correction yet",
            f"the candidate is not cleared ({why}): a correction would hide what is wrong, not mend it",
        )
    run = evidence.arms.get(name)
    if run is None or len(run.trainer) != len(run.rollouts) or not run.rollouts:
        return None
    token, sequence, effective = shares(run)
    settings = "" if name == CANDIDATE else "with the remedy's settings, "
    figures = (
        f"{settings}truncating token ratios at {TOKEN_CAP:g} (TIS) would touch {token:.2%} of tokens, masking"
        f" completions whose ratio leaves [1/{SEQUENCE_CAP:g}, {SEQUENCE_CAP:g}] (MIS) would drop"
        f" {sequence:.1%} of them; the effective sample size is {effective:.3f}"
    )
    if token <= _RARE and effective >= _HEALTHY_ESS:
        return Advice("No importance-sampling correction is needed at the start", figures)
    if sequence > _MANY_SEQUENCES:
        return Advice(
            "Correct token by token (TIS), not by sequence masks",
            f"{figures}; ratios of whole completions multiply with length, so such a mask prefers short ones",
        )
    return Advice("Truncate token ratios (TIS)", figures)


def _cleared(result: AuditResult) -> str | None:
    """The arm whose logprobs mean and come from what they should."""
    if result.verdict is Verdict.PASS:
        return CANDIDATE
    repaired = result.remedy is not None and result.remedy.verdict is Verdict.PASS
    broken = any(invariant.holds is False for invariant in result.invariants)
    return REMEDY if repaired and not broken else None


def shares(run: EngineRun) -> tuple[float, float, float]:
    """Of an arm's own completions, trainer over engine.

    Returns:
        The share of tokens whose ratio is above the token cap, the share of completions whose product of
        ratios leaves the sequence range, and the effective sample size as a share of the tokens.
    """
    engine = flat(rollout.logprobs for rollout in run.rollouts)
    d = reported(run.trainer) - engine
    ratios = np.exp(np.minimum(d, 50.0))  # a token that the trainer gives no probability has ratio 0
    starts = np.cumsum([0, *(len(rollout.token_ids) for rollout in run.rollouts)])[:-1]
    filled = np.array([len(rollout.token_ids) > 0 for rollout in run.rollouts])
    sums = np.add.reduceat(d, starts[filled]) if filled.any() else np.zeros(0)
    outside = np.abs(sums) > np.log(SEQUENCE_CAP)
    effective = float(ratios.sum() ** 2 / (len(ratios) * np.square(ratios).sum())) if ratios.any() else 0.0
    return float((ratios > TOKEN_CAP).mean()), float(outside.mean()) if len(outside) else 0.0, effective
