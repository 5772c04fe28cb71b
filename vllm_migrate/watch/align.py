"""Curves of several runs over common steps, whatever their logging intervals are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.watch.run import Series

    Floats = NDArray[np.float64]

MOST = 256
"""Steps that are judged at most; longer runs are averaged over equal stretches."""
_UNITS = 4.0
_LIKE = 2.0


@dataclass(frozen=True)
class Aligned:
    """One metric of all runs.

    Attributes:
        steps: where each stretch ends, in training steps.
        values: means over the stretches, shape (runs, steps); finite.
        every: training steps a stretch, where the runs log more often than that; else 0.
        dropped: values that were not finite.
        lost: for each run the step from which on every value is not finite; None where there is no such step.
    """

    steps: Floats
    values: Floats
    every: float
    dropped: int
    lost: tuple[float | None, ...]


def align(series: Sequence[Series], *, first: float | None = None, last: float | None = None) -> Aligned:
    """Bring the runs to common steps.

    The run that logs least often gives the steps; what the others logged since the step before is averaged,
    which is what a trainer does that logs a mean over its logging interval. A step that a run lacks is left
    out.

    Args:
        series: one a run.
        first: leave out earlier steps.
        last: leave out later ones.
    """
    kept = [_between(one.steps, one.values, first, last) for one in series]
    lost = tuple(_lost(*one) for one in kept)
    dropped = sum(int((~np.isfinite(values)).sum()) for _, values in kept)
    finite = [(steps[np.isfinite(values)], values[np.isfinite(values)]) for steps, values in kept]
    if any(steps.size == 0 for steps, _ in finite):
        return Aligned(np.zeros(0), np.zeros((len(series), 0)), 0.0, dropped, lost)
    start = max(float(steps[0] - _interval(steps)) for steps, _ in finite)
    stop = min(float(steps[-1]) for steps, _ in finite)
    inside = [_between(*one, start, stop) for one in finite]
    coarse = min(inside, key=lambda one: (len(one[0]), -_interval(one[0])))[0]
    if coarse.size == 0:
        return Aligned(np.zeros(0), np.zeros((len(series), 0)), 0.0, dropped, lost)
    width = _interval(coarse)
    ends = coarse
    if len(ends) > MOST:
        each = -(-len(ends) // MOST)
        ends = ends[each - 1 :: each]
        width *= each
    starts = np.concatenate([[ends[0] - width], ends[:-1]])
    means = np.stack([_means(steps, values, starts, ends) for steps, values in inside])
    whole = np.isfinite(means).all(axis=0)
    averaged = any(len(steps) > 1.5 * len(ends) for steps, _ in inside)
    return Aligned(ends[whole], means[:, whole], width if averaged else 0.0, dropped, lost)


def unit_mismatch(references: Sequence[Series], candidates: Sequence[Series]) -> float | None:
    """By what the candidates' steps have to be multiplied to count what the references' do.

    None where they seem to count the same: where about as many points span about as many steps.
    """
    if any(len(one.steps) == 0 for one in (*references, *candidates)):
        return None
    spans = [
        (
            float(np.median([one.steps[-1] for one in side])),
            float(np.median([len(one.steps) for one in side])),
        )
        for side in (references, candidates)
    ]
    (last_r, count_r), (last_c, count_c) = spans
    if min(last_r, last_c) <= 0 or max(count_r, count_c) > _LIKE * min(count_r, count_c):
        return None
    ratio = last_r / last_c
    return ratio if ratio >= _UNITS or ratio <= 1 / _UNITS else None


def _between(steps: Floats, values: Floats, first: float | None, last: float | None) -> tuple[Floats, Floats]:
    inside = np.ones(len(steps), dtype=bool)
    if first is not None:
        inside &= steps >= first
    if last is not None:
        inside &= steps <= last
    return steps[inside], values[inside]


def _interval(steps: Floats) -> float:
    return float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0


def _means(steps: Floats, values: Floats, starts: Floats, ends: Floats) -> Floats:
    """Mean of the values whose steps lie in (start, end]; NaN where there is none."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.searchsorted(steps, starts, side="right")
    high = np.searchsorted(steps, ends, side="right")
    counts = high - low
    made: Floats = np.where(counts > 0, (sums[high] - sums[low]) / np.maximum(counts, 1), np.nan)
    return made


def _lost(steps: Floats, values: Floats) -> float | None:
    """The step from which on no value is finite, where that is two or more values; None else."""
    finite = np.flatnonzero(np.isfinite(values))
    after = int(finite[-1]) + 1 if finite.size else 0
    return float(steps[after]) if len(values) - after >= 2 else None  # noqa: PLR2004 - one may be an accident
