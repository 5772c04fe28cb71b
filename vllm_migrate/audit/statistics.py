"""What can be concluded from the prompts that were drawn.

The unit is the prompt: tokens and samples of one prompt are not independent (E. Miller, "Adding Error Bars
to Evals", arXiv 2411.00640). Prompts are resampled with replacement, and each resample's estimate is a
ratio of sums.

Two corrections, both on the careful side:

* Few prompts make percentile intervals too narrow. Resampled estimates are spread about the point estimate by
  sqrt(n / (n - 1)) * t(n - 1) / z, which gives the expanded percentile interval of T. Hesterberg, "What
  Teachers Should Know About the Bootstrap" (2015), section 4.
* Rare events. With no event in the sample every resample says zero. For shares with few events the upper
  bound is never below the Clopper-Pearson bound over tokens. That bound takes events as independent
  between tokens, which can't be checked from so few of them; it is the least that can be said, not the most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.metrics import COLUMNS, ESTIMATES, SHARES, PromptSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 2000
FEWEST_PROMPTS = 8
_MOST_CLUSTERS = 4096
_DRAWS_AT_ONCE = 1 << 22
_RARE = 30  # events up to which a share's bound is checked against Clopper-Pearson

Z_95, Z_975, Z_80 = (NormalDist().inv_cdf(p) for p in (0.95, 0.975, 0.80))


@dataclass(frozen=True)
class Bootstrap:
    """Resampled estimates of everything in `metrics.ESTIMATES`.

    Attributes:
        point: the estimates themselves, shape (len(ESTIMATES),).
        draws: resampled estimates after the small-sample correction, shape (resamples, len(ESTIMATES)).
        events, trials: for shares, how many tokens showed the event, of how many.
        prompts: number of prompts behind it.
    """

    point: Floats
    draws: Floats
    events: Floats
    trials: Floats
    prompts: int

    def value(self, name: str) -> float:
        """The point estimate."""
        return float(self.point[_index(name)])

    def quantile(self, name: str, level: float) -> float:
        """A quantile of the resampled estimates."""
        return float(np.quantile(self.draws[:, _index(name)], level))

    def interval(self, name: str) -> tuple[float, float]:
        """The two-sided 95% interval."""
        low, high = (float(v) for v in np.quantile(self.draws[:, _index(name)], (0.025, 0.975)))
        if name in SHARES:
            low, high = max(low, 0.0), max(high, self._rare_bound(name, 0.025))
        return low, high

    def upper(self, name: str) -> float:
        """The one-sided 95% upper bound of a metric that can't be negative."""
        bound = self.quantile(name, 0.95)
        return max(bound, self._rare_bound(name, 0.05)) if name in SHARES else bound

    def p_exceeds(self, name: str, margin: float) -> float:
        """One-sided p-value against "the metric is at most `margin`"."""
        return _tail(self.draws[:, _index(name)] <= margin)

    def p_below(self, name: str, margin: float) -> float:
        """One-sided p-value against "the metric is at least `margin`"."""
        return _tail(self.draws[:, _index(name)] >= margin)

    def standard_error(self, name: str) -> float:
        """Standard deviation of the resampled estimates."""
        return float(np.std(self.draws[:, _index(name)]))

    def _rare_bound(self, name: str, alpha: float) -> float:
        events, trials = int(self.events[_index(name)]), int(self.trials[_index(name)])
        return clopper_pearson_upper(events, trials, alpha) if events <= _RARE else 0.0


def _index(name: str) -> int:
    return list(ESTIMATES).index(name)


def _tail(contradicting: NDArray[np.bool_]) -> float:
    return float((1 + contradicting.sum()) / (1 + len(contradicting)))


def bootstrap_metrics(sums: PromptSums, *, resamples: int = RESAMPLES, seed: int = 0) -> Bootstrap:
    """Resample prompts, seeded, and estimate every metric on each resample."""
    numerators = sums.sums[:, [COLUMNS.index(name) for name in ESTIMATES]]
    denominators = sums.sums[:, [COLUMNS.index(kind) for kind in ESTIMATES.values()]]
    point = _ratio(numerators.sum(axis=0), denominators.sum(axis=0))
    draws = bootstrap_ratios(numerators, denominators, resamples=resamples, seed=seed)
    return Bootstrap(
        point=point,
        draws=draws,
        events=numerators.sum(axis=0),
        trials=denominators.sum(axis=0),
        prompts=len(sums.sums),
    )


def bootstrap_ratios(
    numerators: Floats, denominators: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Resampled ratios of sums, one column per metric, spread by the small-sample correction.

    Beyond a few thousand prompts, random groups of prompts are resampled instead of prompts: the groups are
    independent too, so the interval is as valid, and the time stays bounded.

    Args:
        numerators: per prompt and metric, shape (prompts, metrics).
        denominators: the same shape.
        resamples: how many.
        seed: of the generator.

    Returns:
        Shape (resamples, metrics).
    """
    generator = np.random.default_rng(seed)
    prompts = len(numerators)
    point = _ratio(numerators.sum(axis=0), denominators.sum(axis=0))
    if prompts < 2:  # noqa: PLR2004 - one prompt has no spread
        return np.repeat(point[None, :], resamples, axis=0)
    stacked = np.concatenate([numerators, denominators], axis=1)
    if prompts > _MOST_CLUSTERS:
        edges = np.linspace(0, prompts, _MOST_CLUSTERS + 1).astype(np.int64)[:-1]
        stacked = np.add.reduceat(stacked[generator.permutation(prompts)], edges, axis=0)
    clusters, metrics = len(stacked), numerators.shape[1]
    draws = np.empty((resamples, metrics))
    step = max(1, _DRAWS_AT_ONCE // clusters)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        chosen = generator.integers(0, clusters, size=(rows, clusters), dtype=np.int64)
        chosen += np.arange(rows, dtype=np.int64)[:, None] * clusters
        weights = (
            np.bincount(chosen.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)
        )
        with np.errstate(invalid="ignore"):  # an infinite sum makes its own metric undefined, nothing else
            resampled = weights @ stacked
        draws[start : start + rows] = _ratio(resampled[:, :metrics], resampled[:, metrics:])
    return point + (draws - point) * spread_correction(clusters)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Their quotient; 0 where nothing was counted, which the count beside it says."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def spread_correction(clusters: int) -> float:
    """Factor by which resampled estimates of `clusters` clusters are spread about the point estimate."""
    return math.sqrt(clusters / (clusters - 1)) * student_t_975(clusters - 1) / Z_975


def student_t_975(degrees: int) -> float:
    """The 97.5% quantile of Student's t, by the Cornish-Fisher expansion.

    M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.7.5; within 0.1% from 4 degrees of
    freedom up. Exact below that.
    """
    exact = {1: 12.706205, 2: 4.302653, 3: 3.182446}
    if degrees in exact:
        return exact[degrees]
    z, n = Z_975, float(degrees)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )


@lru_cache(maxsize=1024)
def clopper_pearson_upper(events: int, trials: int, alpha: float) -> float:
    """Exact one-sided upper bound of a binomial share (C. Clopper and E. Pearson, 1934).

    The share at which `events` or fewer of `trials` have probability `alpha`, found by bisection.
    """
    if trials <= 0 or events >= trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _binomial_cdf(events, trials, middle) > alpha:
            low = middle
        else:
            high = middle
    return high


def _binomial_cdf(events: int, trials: int, share: float) -> float:
    if share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    log_choose = 0.0
    total = 0.0
    for k in range(events + 1):
        if k:
            log_choose += math.log(trials - k + 1) - math.log(k)
        total += math.exp(log_choose + k * math.log(share) + (trials - k) * math.log1p(-share))
    return total


def holm(p_values: dict[str, float], alpha: float) -> set[str]:
    """Names whose null hypothesis Holm's step-down procedure rejects at family-wise level `alpha`."""
    rejected: set[str] = set()
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for rank, (name, p) in enumerate(ordered):
        if p > alpha / (len(ordered) - rank):
            break
        rejected.add(name)
    return rejected


def smallest_detectable(standard_error: float) -> float:
    """Distance from a margin that a two-sided 5% test finds four times in five."""
    return (Z_975 + Z_80) * standard_error
