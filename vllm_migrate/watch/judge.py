"""Has a metric left its reference? Two ways to a p-value, by how many runs there are.

Where the runs of both sides can be relabelled in enough ways, all labels are tried (`relabelled`): exact,
whatever the noise is. Otherwise the difference is compared with simulated noise (`simulated`), for every
noise model that the data don't rule out, and the largest p-value counts (J.-M. Dufour, "Monte Carlo tests
with nuisance parameters", Journal of Econometrics 133, 2006). Both look for a window of any length and place
in which the candidates are on one side of the references.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.statistics.distributions import beta_cdf
from vllm_migrate.watch.noise import Layout, contrast, nulls, plausible, standardise
from vllm_migrate.watch.scan import windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BEFORE = 4
"""Window lengths before the place at which a departure is told within which it began."""
_TAIL = 0.05
_MOST_LABELS = 2000
_SEED = 20260506
_BREAK = 11.0
"""97.5% quantile of where a change of level is found, in units of noise over squared size: J. Bai,
"Estimation of a change point in multiple regression models", Review of Economics and Statistics 79, 1997."""


@dataclass(frozen=True)
class Judged:
    """What is known of one metric.

    Attributes:
        p: probability of so large a departure where both sides are one process; not yet corrected for the
            number of metrics, unless by relabelling, which corrects by itself.
        z: the difference in units of its noise at each step.
        scale: that noise, in the metric's unit, for the difference of the sides' means.
        looked: the standardised sum of every window, an array for each length; a departure where it is more
            than `critical(level)`.
        statistics: the largest window sums under the null, ascending.
        exact: whether all labels were tried, rather than noise simulated.
        errors: standard error of a window's mean by window length, in the metric's unit; `offsets` what the
            standardised mean has to exceed beyond the critical level.
        band: how far the smoothed difference strays, in units of `scale`.
        long_run: variance of a long sum of `z` per step.
    """

    p: float
    z: Floats
    scale: Floats
    looked: list[Floats]
    statistics: Floats
    exact: bool
    errors: Floats
    offsets: Floats
    band: float
    long_run: float

    def smallest(self, level: float, layout: Layout) -> float:
        """The smallest mean difference over a quarter of the run that is told at a level."""
        place = int(np.argmin(np.abs(windows(layout.steps).lengths - layout.steps / 4)))
        return float((self.critical(level) + self.offsets[place]) * self.errors[place])

    def critical(self, level: float) -> float:
        """What `looked` has to exceed at a level."""
        if self.exact:  # the share of labels at or above it must not exceed the level
            place = self.statistics.size - math.floor(level * self.statistics.size)
            return float(self.statistics[place - 1]) + 1e-9
        above, excess = _tail(self.statistics)
        if level >= _TAIL:
            return float(np.quantile(self.statistics, 1 - level))
        return above + excess * math.log(_TAIL / level)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a metric left its reference, as places in the common steps.

    Attributes:
        onset: first place of the departure; `early` and `late` bound it with 95% confidence.
        seen: place at which the data first sufficed to tell.
        end: last place of the window in which it was told.
        size: mean difference from onset to end, in the metric's unit.
    """

    onset: int
    early: int
    late: int
    seen: int
    end: int
    size: float


def simulated(runs: Floats, layout: Layout) -> Judged:
    """One metric against simulated noise.

    Args:
        runs: shape (references + candidates, steps), finite.
        layout: how many of each.
    """
    difference, residuals = contrast(runs, layout)
    made = standardise(difference, residuals, layout)
    grid, allowed = windows(layout.steps), nulls(layout)
    kept, likeliest = plausible(allowed, made.features)
    largest = grid.largest(made.z)
    judged = [(_p(null.statistics, float(grid.statistic(largest, null.deviations))), null) for null in kept]
    p, worst = max(judged, key=lambda pair: pair[0])
    each = zip(grid.sums(made.z), worst.deviations, grid.penalties(), strict=True)
    looked = [np.abs(sums) / deviation - penalty for sums, deviation, penalty in each]
    if not layout.single:
        p = max(p, _between_seeds(runs, layout, looked))
    widen = math.sqrt(1 / layout.references + 1 / layout.candidates)
    scale = made.scale * widen
    return Judged(
        p,
        made.z,
        scale,
        looked,
        worst.statistics,
        exact=False,
        errors=worst.deviations / grid.lengths * float(np.median(scale)),
        offsets=grid.penalties(),
        band=likeliest.band,
        long_run=worst.long_run,
    )


def _between_seeds(runs: Floats, layout: Layout, looked: list[Floats]) -> float:
    """Two-sided p of Student's t in the window that stands out most, against the seeds of a side.

    Noise models have runs forget; seeds that differ from beginning to end do not. So a departure also has to
    be more than the runs of a side are apart in that window.
    """
    place = max(range(len(looked)), key=lambda n: float(looked[n].max()))
    start = int(np.argmax(looked[place]))
    means = runs[:, start : start + int(windows(layout.steps).lengths[place])].mean(axis=1)
    sides = means[: layout.references], means[layout.references :]
    degrees = layout.references + layout.candidates - 2
    within = sum(float(np.square(side - side.mean()).sum()) for side in sides) / degrees
    error = within * (1 / layout.references + 1 / layout.candidates)
    t_squared = float(sides[1].mean() - sides[0].mean()) ** 2 / max(error, 1e-300)
    return beta_cdf(degrees / (degrees + t_squared), degrees / 2, 0.5)


def labels(layout: Layout) -> int:
    """In how many ways the runs can be relabelled, swapping sides of equal size counted once."""
    ways = math.comb(layout.references + layout.candidates, layout.candidates)
    return ways // 2 if layout.references == layout.candidates else ways


def relabelled(metrics: Sequence[Floats], layout: Layout) -> list[Judged]:
    """Every metric against all ways to relabel the runs; p-values hold for all metrics together (max-T).

    Args:
        metrics: an array (references + candidates, steps) a metric; the number of steps may differ.
        layout: how many of each; its `steps` are not used.
    """
    signs = _labellings(layout)
    found = [_relabelled(runs, layout, signs) for runs in metrics]
    largest = np.sort(np.max([statistics for statistics, _, _ in found], axis=0))
    made = []
    for runs, (statistics, looked, errors) in zip(metrics, found, strict=True):
        own = Layout(runs.shape[-1], layout.references, layout.candidates)
        difference, residuals = contrast(runs, own)
        standard = standardise(difference, residuals, own)
        p = float((largest >= statistics[0] - 1e-9).mean())
        widen = math.sqrt(1 / layout.references + 1 / layout.candidates)
        _, near = plausible(nulls(own), standard.features)
        made.append(
            Judged(
                p,
                standard.z,
                standard.scale * widen,
                looked,
                largest,
                exact=True,
                errors=errors,
                offsets=np.zeros(len(errors)),
                band=near.band,
                long_run=near.long_run,
            )
        )
    return made


def departure(judged: Judged, runs: Floats, layout: Layout, level: float) -> Departure | None:
    """Where a metric left, at a level that allows for the other metrics; None where no window reaches it."""
    bound, grid = judged.critical(level), windows(layout.steps)
    reached = []
    for length, looked in zip(grid.lengths, judged.looked, strict=True):
        places = np.flatnonzero(looked > bound)
        if places.size:
            reached.append((int(places[0] + length - 1), int(length)))
    if not reached:
        return None
    seen, length = min(reached)
    end = min(layout.steps - 1, seen + length)
    sums = np.concatenate([[0.0], np.cumsum(judged.z)])
    # Far before the window that told it an earlier one would have: slow noise there is no departure.
    starts = np.arange(max(0, seen + 1 - _BEFORE * length), end)
    gain = (sums[end + 1] - sums[starts]) ** 2 / (end + 1 - starts)
    onset = min(int(starts[np.argmax(gain)]), seen)
    shift = (sums[end + 1] - sums[onset]) / (end + 1 - onset)
    reach = math.ceil(_BREAK * judged.long_run / max(shift**2, 1e-9)) + 1
    difference = runs[layout.references :].mean(axis=0) - runs[: layout.references].mean(axis=0)
    return Departure(
        onset,
        max(0, onset - reach),
        min(seen, onset + reach),
        seen,
        end,
        float(difference[onset : end + 1].mean()),
    )


def _p(statistics: Floats, found: float) -> float:
    """Share of simulated statistics as large as the one found; beyond the last 5% by an exponential tail.

    The tail of a maximum of Gaussian sums falls off faster, so this errs on the large side (the idea is that
    of T. A. Knijnenburg et al., "Fewer permutations, more accurate P-values", Bioinformatics 25, 2009).
    """
    above, excess = _tail(statistics)
    if found > above:
        return _TAIL * math.exp(-(found - above) / excess)
    return float((np.sum(statistics >= found) + 1) / (statistics.size + 1))


def _tail(statistics: Floats) -> tuple[float, float]:
    """Where the last 5% begin, and their mean excess over that."""
    above = float(np.quantile(statistics, 1 - _TAIL))
    return above, max(float((statistics[statistics > above] - above).mean()), 1e-9)


def _labellings(layout: Layout) -> Floats:
    """Signed weights of the runs, shape (labellings, runs), the true labels first.

    A candidate's weight is 1 / candidates, a reference's -1 / references. All labellings where there are at
    most 2,000, else as many drawn at random.
    """
    total = layout.references + layout.candidates
    true = tuple(range(layout.references, total))
    if math.comb(total, layout.candidates) <= _MOST_LABELS:
        chosen = [true, *(ones for ones in combinations(range(total), layout.candidates) if ones != true)]
    else:
        generator = np.random.default_rng(_SEED)
        drawn = [generator.permutation(total)[: layout.candidates] for _ in range(_MOST_LABELS - 1)]
        chosen = [true, *(tuple(map(int, ones)) for ones in drawn)]
    made = np.full((len(chosen), total), -1 / layout.references)
    for row, ones in zip(made, chosen, strict=True):
        row[list(ones)] = 1 / layout.candidates
    return made


def _relabelled(runs: Floats, layout: Layout, signs: Floats) -> tuple[Floats, list[Floats], Floats]:
    """Largest |t| over windows for every labelling; for the true one every window's, and the usual errors.

    The variance within the sides is that of the window, shrunk half way to what is usual for windows of its
    length: with few runs a window's own is sometimes small by accident.
    """
    grid = windows(runs.shape[-1])
    total = layout.references + layout.candidates
    widen = 1 / layout.references + 1 / layout.candidates
    largest = np.zeros(len(signs))
    looked, errors = [], []
    for length, sums in zip(grid.lengths, grid.sums(runs - runs.mean(axis=0)), strict=True):
        means = sums / length
        square = np.square(means).sum(axis=0)
        difference = signs @ means
        # The sides' means are +-: with zero total, reference mean = -d c / N and candidate mean = d r / N.
        within = square - np.square(difference) * (layout.references * layout.candidates / total)
        variance = np.maximum(within, 0) / (total - 2)
        usual = np.median(variance, axis=-1, keepdims=True)
        t = np.abs(difference) / np.sqrt(np.maximum((variance + usual) / 2 * widen, 1e-30))
        largest = np.maximum(largest, t.max(axis=-1))
        looked.append(t[0])
        errors.append(float(np.sqrt(usual[0, 0] * widen)))
    return largest, looked, np.array(errors)
