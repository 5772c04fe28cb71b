"""How the rewards of both sides are spread, for people to look at: counts in common bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.result import RewardBin

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_VALUES = 12
"""Up to so many distinct rewards, as rules give, each gets a bin of its own."""
BINS = 20


def reward_bins(reference: Sequence[float], candidate: Sequence[float]) -> tuple[RewardBin, ...]:
    """Both sides' rewards counted in the same bins, lowest first; rewards that are not finite are left out.

    A bin is half-open, [low, high), the last one closed; a single value has low = high.
    """
    ours, theirs = (_finite(values) for values in (reference, candidate))
    everything = np.concatenate([ours, theirs])
    if not everything.size:
        return ()
    distinct = np.unique(everything)
    if distinct.size <= MOST_VALUES:
        return tuple(
            RewardBin(float(value), float(value), int(np.sum(ours == value)), int(np.sum(theirs == value)))
            for value in distinct
        )
    edges = np.linspace(distinct[0], distinct[-1], BINS + 1)
    if not np.all(np.diff(edges) > 0):  # a range too narrow to be divided in floating point
        edges = np.array([distinct[0], distinct[-1]])
    before, after = (np.histogram(values, edges)[0] for values in (ours, theirs))
    return tuple(
        RewardBin(float(low), float(high), int(one), int(other))
        for low, high, one, other in zip(edges[:-1], edges[1:], before, after, strict=True)
    )


def _finite(values: Sequence[float]) -> np.typing.NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64)
    return column[np.isfinite(column)]
