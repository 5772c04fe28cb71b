"""Reward against length, with a spline through it: what a single correlation hides.

Length effects bend: linear where texts are short, weaker in the middle, noise where they are long (FiMi-RM,
arXiv 2505.12843). So a restricted cubic spline is fitted by least squares: cubic between its knots, linear
beyond them, with knots at fixed quantiles (F. Harrell, Regression Modeling Strategies, 2015, section 2.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.outcome import LengthCurve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.reward.sample import Sample

MOST_POINTS = 2000
GRID = 80
_QUANTILES = (0.05, 0.275, 0.5, 0.725, 0.95)
_FEWEST_KNOTS = 3
_FEWEST = 8


def spline_basis(values: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of a restricted cubic spline: a constant, the values, and one column a knot but the last two.

    Args:
        values: shape (n,).
        knots: ascending and different; with fewer than three the spline is a straight line.

    Returns:
        Shape (n, max(2, knots)).
    """
    columns = [np.ones_like(values), values]
    if len(knots) >= _FEWEST_KNOTS:
        last, before = knots[-1], knots[-2]
        scale = (last - knots[0]) ** 2

        def cubed(at: float) -> NDArray[np.float64]:
            return np.maximum(values - at, 0.0) ** 3

        columns += [
            (
                cubed(knot)
                - cubed(before) * (last - knot) / (last - before)
                + cubed(last) * (before - knot) / (last - before)
            )
            / scale
            for knot in knots[:-2]
        ]
    return np.column_stack(columns)


def knots_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Knots at the usual quantiles; those that fall together are one."""
    return np.unique(np.quantile(values, _QUANTILES))


def length_curve(samples: Sequence[Sample], rewards: NDArray[np.float64]) -> LengthCurve | None:
    """The points, and the spline through them.

    Args:
        samples: what was scored.
        rewards: of each, NaN where there is none; shape (samples,).

    Returns:
        None where fewer than eight rewards are known, or lengths or rewards don't vary.
    """
    seen = np.isfinite(rewards)
    lengths = np.array([float(len(sample.completion)) for sample in samples])[seen]
    values = rewards[seen]
    if len(values) < _FEWEST or not np.ptp(lengths) or not np.ptp(values):
        return None
    middle, spread = lengths.mean(), lengths.std()
    scaled = (lengths - middle) / spread  # cubes of thousands of characters would lose digits
    knots = knots_of(scaled)
    weights = np.linalg.lstsq(spline_basis(scaled, knots), values, rcond=None)[0]
    grid = np.linspace(scaled.min(), scaled.max(), GRID)
    order = np.argsort(lengths, kind="stable")
    kept = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_POINTS)).round().astype(int))]
    return LengthCurve(
        lengths=tuple(lengths[kept].tolist()),
        rewards=tuple(values[kept].tolist()),
        fitted_lengths=tuple((grid * spread + middle).tolist()),
        fitted=tuple((spline_basis(grid, knots) @ weights).tolist()),
    )
