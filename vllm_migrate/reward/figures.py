"""Figures with intervals that the probes share.

Samples of one prompt are not independent: prompts are resampled, not samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.sample import TIE
from vllm_migrate.statistics.distributions import beta_quantile
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.reward.outcome import Limits

RESAMPLES = 1000
SEPARATES = 0.8
"""AUC from which a reward tells right from wrong; judgement: below, it is about something else."""


def share(hits: int, total: int) -> Estimate:
    """A share with its exact two-sided 95% interval (C. Clopper and E. Pearson, 1934); [0, 1] of nothing."""
    low = beta_quantile(0.025, hits, total - hits + 1) if hits else 0.0
    high = beta_quantile(0.975, hits + 1, total - hits) if hits < total else 1.0
    return Estimate(hits / total if total else 0.0, low, high)


def clustered_mean(values: NDArray[np.float64], groups: NDArray[np.int64], *, seed: int = 0) -> Estimate:
    """Mean over samples with a 95% percentile interval, prompts resampled with replacement.

    Args:
        values: shape (samples,), finite.
        groups: the prompt of each, shape (samples,).
        seed: of the resampling.
    """
    if not len(values):
        return Estimate(float("nan"))
    _, index = np.unique(groups, return_inverse=True)
    sums = np.bincount(index, weights=values)
    counts = np.bincount(index).astype(np.float64)
    draw = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[draw].sum(axis=1) / counts[draw].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))


def auc_of(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """Probability that a right sample earns more than a wrong one, ties half; NaN where one is missing.

    Args:
        right: rewards of right samples, finite.
        wrong: rewards of wrong ones, finite.
    """
    if not len(right) or not len(wrong):
        return float("nan")
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right - TIE)
    upto = np.searchsorted(ordered, right + TIE, side="right")
    return float((below + upto).mean() / 2 / len(ordered))


def centred(
    columns: NDArray[np.float64], index: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Columns without their means within prompts, or within whatever else samples are grouped by.

    Args:
        columns: shape (samples, columns).
        index: the group of each sample, numbered from 0 without gaps, shape (samples,).
        weights: of the samples in those means, shape (samples,); all alike if None.
    """
    if weights is None:
        weights = np.ones(len(index))
    totals = np.bincount(index, weights=weights)
    found = np.empty(columns.shape)
    for place, column in enumerate(columns.T):
        found[:, place] = column - (np.bincount(index, weights=weights * column) / totals)[index]
    return found


def unsigned(estimate: Estimate) -> Estimate:
    """A figure without its sign, its interval turned with it; the lower end may lie below 0."""
    low, high = estimate.low, estimate.high
    if estimate.value >= 0 or low is None or high is None:
        return Estimate(abs(estimate.value), low, high)
    return Estimate(-estimate.value, -high, -low)


def judged(limits: Limits, estimate: Estimate) -> Outcome:
    """The outcome of a figure that is an estimate: it fails where its whole interval lies beyond the limit.

    Where only the figure itself does, that is a warning: so few prompts can't tell.
    """
    outcome = limits.judge(estimate.value)
    near = estimate.low if limits.above else estimate.high
    if outcome is Outcome.FAIL and near is not None and limits.judge(near) is not Outcome.FAIL:
        return Outcome.WARN
    return outcome
