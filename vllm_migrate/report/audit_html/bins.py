"""Per-token values to the few hundred numbers a plot shows. What is no finite number is counted apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import Arm

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One arm's per-token values as arrays.

    Attributes:
        deltas: finite Δlogp, nats; `positions` and `reference` beside them, empty where not recorded.
        not_finite: how many tokens were left out: outside one side's support, or no number.
    """

    deltas: Floats
    positions: Floats
    reference: Floats
    not_finite: int


def tokens_of(arm: Arm) -> Tokens:
    """The arm's finite per-token values."""
    deltas = np.asarray(arm.deltas, dtype=np.float64)
    finite = np.isfinite(deltas)
    if len(arm.reference_logprobs) == deltas.size:
        finite &= np.isfinite(np.asarray(arm.reference_logprobs, dtype=np.float64))
    return Tokens(
        deltas=deltas[finite],
        positions=_beside(arm.positions, finite),
        reference=_beside(arm.reference_logprobs, finite),
        not_finite=int(deltas.size - np.count_nonzero(finite)),
    )


def _beside(values: Sequence[float], finite: npt.NDArray[np.bool_]) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    return column[finite] if column.size == finite.size else np.empty(0)


def histogram(values: Floats, limit: float, bins: int) -> tuple[list[int], int]:
    """Counts in `bins` equal bins over [-limit, limit], and how many values lie beyond."""
    counts, _ = np.histogram(values, bins=bins, range=(-limit, limit))
    inside = int(counts.sum())
    return [int(n) for n in counts], int(values.size) - inside


def exceedance(values: Floats, low: float, high: float, points: int) -> list[tuple[float, float]]:
    """(x, share of |values| greater than x) at `points` log-spaced x; ends where the share becomes zero."""
    if not values.size:
        return []
    ordered = np.sort(np.abs(values))
    at = np.geomspace(low, high, points)
    above = values.size - np.searchsorted(ordered, at, side="right")
    return [(float(x), float(n) / values.size) for x, n in zip(at, above, strict=True) if n > 0]


def mean_by_position(positions: Floats, deltas: Floats, bins: int) -> list[tuple[float, float, float]]:
    """(first position, position after the last, mean |Δlogp|) in bins that hold about equally many tokens."""
    if not positions.size:
        return []
    edges = np.unique(np.floor(np.quantile(positions, np.linspace(0, 1, bins + 1))))
    edges[-1] = positions.max() + 1
    if edges.size == 1:
        edges = np.array([positions.min(), positions.max() + 1])
    return _means(positions, deltas, edges)


def mean_by_value(values: Floats, deltas: Floats, bins: int) -> list[tuple[float, float, float]]:
    """(low, high, mean |Δlogp|) in bins of `values` that hold about equally many tokens."""
    if not values.size:
        return []
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    if edges.size == 1:
        return [(float(edges[0]), float(edges[0]), float(np.abs(deltas).mean()))]
    return _means(values, deltas, edges)


def _means(values: Floats, deltas: Floats, edges: Floats) -> list[tuple[float, float, float]]:
    """(low, high, mean |Δlogp|) of each bin that holds a token; the last bin is closed."""
    which = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2)
    total = np.bincount(which, weights=np.abs(deltas), minlength=edges.size - 1)
    tokens = np.bincount(which, minlength=edges.size - 1)
    return [
        (float(edges[k]), float(edges[k + 1]), float(total[k] / tokens[k]))
        for k in range(edges.size - 1)
        if tokens[k]
    ]


@dataclass(frozen=True, slots=True)
class Density:
    """Counts on a grid. `rows[r][c]`: r counts upwards from the lowest y, c from the lowest x."""

    rows: list[list[int]]
    beyond: int


def density(x: Floats, y: Floats, x_range: tuple[float, float], y_range: tuple[float, float]) -> Density:
    """Tokens per cell of a 52 by 37 grid; an odd number of rows keeps y = 0 inside one of them."""
    grid, _, _ = np.histogram2d(y, x, bins=(37, 52), range=(y_range, x_range))
    counts = grid.astype(int)
    return Density(rows=counts.tolist(), beyond=int(x.size - counts.sum()))


def upper_quantile(values: Floats, share: float) -> float:
    """The |value| that `share` of the values stay below; 0 where there is none."""
    return float(np.quantile(np.abs(values), share)) if values.size else 0.0


def smallest_positive(values: Floats) -> float:
    """The 1% quantile of the |values| that are not zero; 0 where all are."""
    positive = np.abs(values[values != 0])
    return float(np.quantile(positive, 0.01)) if positive.size else 0.0
