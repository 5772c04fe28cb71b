"""What can be concluded from the prompts that were drawn.

The unit is the prompt: tokens and samples of one prompt are not independent (E. Miller, "Adding Error Bars
to Evals", arXiv 2411.00640). Prompts are resampled with replacement, and each resample's estimate is a
ratio of sums.

Three corrections, all on the careful side; `benchmarks/calibration.py` shows what they achieve:

* Few prompts make percentile intervals too narrow. Resampled estimates are spread about the point estimate by
  sqrt(n / (n - 1)) * t(n - 1) / z, which gives the expanded percentile interval of T. Hesterberg, "What
  Teachers Should Know About the Bootstrap" (2015), section 4.
* Heavy tails. Means of |d| and d squared are carried by few tokens of few prompts; a sample that missed them
  looks quiet, and a resample of it can't show what it missed (false PASS at the margin 13-30% of the time in
  simulation). The upper bound of these metrics is therefore never below that of a lognormal mean over
  prompts (G. Zou, C. Huo and J. Taleban, "Simple confidence intervals for lognormal means", Environmetrics,
  2009), about the larger of its own estimate and the ratio of sums. Means that can be negative are shifted.
* Rare events. With no event in the sample every resample says zero. The upper bound of a share is never
  below the Clopper-Pearson bound over its trials, divided by the design effect that the prompts' spread shows
  (E. Korn and B. Graubard, "Confidence intervals for proportions with small expected number of positive
  counts", Survey Methodology 24, 1998). With no event at all nothing is known about that spread; it is then
  the least that can be said, not the most.

A fourth is asked for by the margins (`unseen` in `thresholds.toml`): the mean of d squared may be carried by
tokens so few that a sample holds none, and then shows nothing of them. As many as Clopper-Pearson's bound
allows to have been missed are taken to weigh that much each. Means without any such limit can't be bounded
at all (R. Bahadur and L. Savage, "The nonexistence of certain statistical procedures in nonparametric
problems", Annals of Mathematical Statistics 27, 1956), so tokens that are farther off and rarer stay unseen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.figures.metrics import COLUMNS, ESTIMATES, SHARES, PromptSums
from vllm_migrate.statistics.distributions import (
    beta_quantile,
    chi_square_quantile,
    normal_quantile,
    student_t_quantile,
)
from vllm_migrate.statistics.holm import holm_corrected

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 2000
FEWEST_PROMPTS = 8
_MOST_CLUSTERS = 4096
_DRAWS_AT_ONCE = 1 << 22
_RESOLVED = 10  # resamples beyond a level below which the level is not read off them

HEAVY = frozenset({"mean_abs", "k2"})  # gating means that can't be negative
SIGNED = frozenset({"mean_ratio_deviation", "k1"})  # gating means that can
_CAREFUL = 0.6  # share of the error these bounds may use: they are exact for one kind of spread only
_SHIFT = 0.5  # deviations between 0 and the least prompt where a signed metric is shifted to be positive

_LEAST_P, _MOST_P = 1e-9, 0.4

Z_975, Z_80 = normal_quantile(0.975), normal_quantile(0.80)


@dataclass(frozen=True)
class Bootstrap:
    """Resampled estimates of everything in `metrics.ESTIMATES`.

    Attributes:
        point: the estimates themselves, shape (len(ESTIMATES),).
        draws: resampled estimates after the small-sample correction, shape (resamples, len(ESTIMATES)).
        numerators, denominators: per prompt, shape (prompts, len(ESTIMATES)).
    """

    point: Floats
    draws: Floats
    numerators: Floats
    denominators: Floats

    @property
    def prompts(self) -> int:
        """Number of prompts behind it."""
        return len(self.numerators)

    @cached_property
    def _sorted(self) -> Floats:
        return np.sort(self.draws, axis=0)

    def value(self, name: str) -> float:
        """The point estimate."""
        return float(self.point[_index(name)])

    def quantile(self, name: str, level: float) -> float:
        """A quantile of the resampled estimates, spread for few prompts as that level needs.

        Levels too far out to be read off the resamples continue the last one that can be, in proportion to
        Student's t.
        """
        draws, point = self.draws[:, _index(name)], self.value(name)
        if self.prompts < 2:  # noqa: PLR2004 - one prompt has no spread
            return point
        tail = min(level, 1 - level)
        read = max(tail, _RESOLVED / len(draws))
        at = _of_sorted(self._sorted[:, _index(name)], read if level < 0.5 else 1 - read)  # noqa: PLR2004 - the median
        usual = student_t_quantile(0.975, self.prompts - 1) / Z_975
        needed = student_t_quantile(1 - tail, self.prompts - 1) / -normal_quantile(read)
        return point + (at - point) * needed / usual

    def interval(self, name: str, unseen: float = 0.0) -> tuple[float, float]:
        """The two-sided 95% interval; `unseen` as in `upper`."""
        low, high = self.quantile(name, 0.025), self.upper(name, 0.025, unseen)
        return (max(low, 0.0), min(high, 1.0)) if name in SHARES else (low, high)

    def upper(self, name: str, alpha: float = 0.05, unseen: float = 0.0) -> float:
        """The one-sided upper bound that holds with probability 1 - `alpha`.

        Args:
            name: of the metric.
            alpha: probability that the bound does not hold.
            unseen: what a token that the sample happens not to hold may add to the sum, in the metric's unit.
        """
        bound = max(self.quantile(name, 1 - alpha), self._least_upper(name, alpha))
        if not unseen:
            return bound
        missed = clopper_pearson_upper(0, float(self._counts(name).sum()), alpha)
        return max(bound, self.value(name) + missed * unseen)

    def lower(self, name: str, alpha: float = 0.05) -> float:
        """The one-sided lower bound that holds with probability 1 - `alpha`."""
        bound = self.quantile(name, alpha)
        if name in SIGNED:
            bound = min(bound, -shifted_upper(-self._sums(name), self._counts(name), alpha))
        return bound

    def p_exceeds(self, name: str, margin: float) -> float:
        """One-sided p-value against "the metric is at most `margin`"."""
        return self._p(lambda alpha: self.quantile(name, alpha) > margin)

    def p_below(self, name: str, margin: float) -> float:
        """One-sided p-value against "the metric is at least `margin`"."""
        return self._p(lambda alpha: self.quantile(name, 1 - alpha) < margin)

    def standard_error(self, name: str) -> float:
        """Standard deviation of the resampled estimates."""
        return float(np.std(self.draws[:, _index(name)]))

    def _p(self, rejects: Callable[[float], bool]) -> float:
        """The smallest level that rejects, between 1e-9 and 0.4, by bisection; 1 where none of them does."""
        low, high = math.log(_LEAST_P), math.log(_MOST_P)
        if not rejects(_MOST_P):
            return 1.0
        if rejects(_LEAST_P):
            return _LEAST_P
        for _ in range(16):
            middle = (low + high) / 2
            if rejects(math.exp(middle)):
                high = middle
            else:
                low = middle
        return math.exp(high)

    def _least_upper(self, name: str, alpha: float) -> float:
        numerators, denominators = self._sums(name), self._counts(name)
        if name in SHARES:
            return share_upper(numerators, denominators, alpha)
        if name in SIGNED:
            return shifted_upper(numerators, denominators, alpha)
        return lognormal_upper(numerators, denominators, alpha) if name in HEAVY else -math.inf

    def _sums(self, name: str) -> Floats:
        return self.numerators[:, _index(name)]

    def _counts(self, name: str) -> Floats:
        return self.denominators[:, _index(name)]


def _of_sorted(values: Floats, level: float) -> float:
    """A quantile of sorted values, interpolated as `numpy.quantile` does."""
    place = level * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return float(values[below] + (values[above] - values[below]) * (place - below))


def share_upper(events: Floats, trials: Floats, alpha: float) -> float:
    """Upper bound of a share whose events cluster in prompts (Korn and Graubard, as above).

    Args:
        events: per prompt, shape (prompts,).
        trials: the same.
        alpha: probability that the bound does not hold.
    """
    prompts, total, count = len(events), float(trials.sum()), float(events.sum())
    if total <= 0:
        return 1.0
    if count == 0:
        return clopper_pearson_upper(0, total, alpha)
    share = count / total
    alpha *= _CAREFUL
    effect = 1.0
    if 0 < share < 1 and prompts > 1:
        residual = events - share * trials
        variance = float(residual @ residual) * prompts / (prompts - 1) / total**2
        few = student_t_quantile(1 - alpha, prompts - 1) / -normal_quantile(alpha)
        effect = max(1.0, variance * total / (share * (1 - share))) * few**2
    trials_left = total / effect
    return clopper_pearson_upper(share * trials_left, trials_left, alpha)


def lognormal_upper(numerators: Floats, denominators: Floats, alpha: float) -> float:
    """Upper bound of a mean that can't be negative and varies between prompts like a lognormal variable.

    With y the logarithm of the prompts' means, L = mean(y) + var(y) / 2 and the bound is exp(L + h) where
    h² = (t s / sqrt n)² + (s²/2 ((n - 1) / χ² - 1))², with t and χ² at the wanted level (Zou, Huo and Taleban
    2009). A prompt's mean counts as at least 1% of the overall one, so that prompts without any difference
    don't carry the logarithm away.
    """
    present = denominators > 0
    numerators, denominators = numerators[present], denominators[present]
    prompts, total = len(numerators), float(numerators.sum())
    if prompts < 2 or total <= 0 or not math.isfinite(total):  # noqa: PLR2004 - no spread
        return -math.inf
    estimate = total / float(denominators.sum())
    y = np.log(np.maximum(numerators / denominators, 0.01 * estimate))
    variance = float(np.var(y, ddof=1))
    alpha *= _CAREFUL
    t = student_t_quantile(1 - alpha, prompts - 1)
    inflation = (prompts - 1) / chi_square_quantile(alpha, prompts - 1) - 1
    half = math.sqrt(t * t * variance / prompts + (variance / 2 * inflation) ** 2)
    middle = float(y.mean()) + variance / 2
    return math.exp(min(max(middle, math.log(estimate)) + half, 700.0))


def shifted_upper(numerators: Floats, denominators: Floats, alpha: float) -> float:
    """The same for a mean that can be negative: prompts are shifted to be positive, and back.

    The shift puts the least prompt half a standard deviation above zero, and is none where all prompts lie
    above that already.
    """
    present = denominators > 0
    numerators, denominators = numerators[present], denominators[present]
    if len(numerators) < 2:  # noqa: PLR2004 - no spread
        return -math.inf
    means = numerators / denominators
    if not np.isfinite(means).all():
        return -math.inf
    shift = max(0.0, _SHIFT * float(np.std(means, ddof=1)) - float(means.min()))
    return lognormal_upper(numerators + shift * denominators, denominators, alpha) - shift


@lru_cache(maxsize=64)
def _index(name: str) -> int:
    return list(ESTIMATES).index(name)


def bootstrap_metrics(sums: PromptSums, *, resamples: int = RESAMPLES, seed: int = 0) -> Bootstrap:
    """Resample prompts, seeded, and estimate every metric on each resample."""
    numerators = sums.sums[:, [COLUMNS.index(name) for name in ESTIMATES]]
    denominators = sums.sums[:, [COLUMNS.index(kind) for kind in ESTIMATES.values()]]
    point = _ratio(numerators.sum(axis=0), denominators.sum(axis=0))
    draws = bootstrap_ratios(numerators, denominators, resamples=resamples, seed=seed)
    return Bootstrap(point=point, draws=draws, numerators=numerators, denominators=denominators)


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
    point = _ratio(numerators.sum(axis=0), denominators.sum(axis=0))
    if len(numerators) < 2:  # noqa: PLR2004 - one prompt has no spread
        return np.repeat(point[None, :], resamples, axis=0)
    metrics = numerators.shape[1]
    resampled, clusters = resample_sums(
        np.concatenate([numerators, denominators], axis=1), resamples=resamples, seed=seed
    )
    draws = _ratio(resampled[:, :metrics], resampled[:, metrics:])
    return point + (draws - point) * spread_correction(clusters)


def resample_sums(sums: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Floats, int]:
    """Sums over resampled prompts, shape (resamples, columns), and how many clusters were resampled.

    Args:
        sums: per prompt and column, shape (prompts, columns), at least two prompts.
        resamples: how many.
        seed: of the generator.
    """
    generator = np.random.default_rng(seed)
    prompts = len(sums)
    if prompts > _MOST_CLUSTERS:
        edges = np.linspace(0, prompts, _MOST_CLUSTERS + 1).astype(np.int64)[:-1]
        sums = np.add.reduceat(sums[generator.permutation(prompts)], edges, axis=0)
    clusters = len(sums)
    draws = np.empty((resamples, sums.shape[1]))
    step = max(1, _DRAWS_AT_ONCE // clusters)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        chosen = generator.integers(0, clusters, size=(rows, clusters), dtype=np.int64)
        chosen += np.arange(rows, dtype=np.int64)[:, None] * clusters
        weights = (
            np.bincount(chosen.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)
        )
        with np.errstate(invalid="ignore"):  # an infinite sum makes its own metric undefined, nothing else
            draws[start : start + rows] = weights @ sums
    return draws, clusters


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Their quotient; 0 where nothing was counted, which the count beside it says."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def spread_correction(clusters: int) -> float:
    """Factor by which resampled estimates of `clusters` clusters are spread about the point estimate."""
    return math.sqrt(clusters / (clusters - 1)) * student_t_quantile(0.975, clusters - 1) / Z_975


def clopper_pearson_upper(events: float, trials: float, alpha: float) -> float:
    """Exact one-sided upper bound of a binomial share (C. Clopper and E. Pearson, 1934).

    The counts need not be whole: a design effect divides them.
    """
    return 1.0 if trials <= 0 or events >= trials else beta_quantile(1 - alpha, events + 1, trials - events)


def holm(p_values: dict[str, float], alpha: float) -> set[str]:
    """Names whose null hypothesis Holm's step-down procedure rejects at family-wise level `alpha`."""
    corrected = holm_corrected(list(p_values.values()))
    return {name for name, p in zip(p_values, corrected, strict=True) if p <= alpha}


def benjamini_hochberg(p_values: dict[str, float], rate: float) -> set[str]:
    """Names that stand out at false discovery rate `rate` (Y. Benjamini and Y. Hochberg, 1995)."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    last = max((i for i, (_, p) in enumerate(ordered, 1) if p <= rate * i / len(ordered)), default=0)
    return {name for name, _ in ordered[:last]}


def smallest_detectable(standard_error: float) -> float:
    """Distance from a margin that a two-sided 5% test finds four times in five."""
    return (Z_975 + Z_80) * standard_error
