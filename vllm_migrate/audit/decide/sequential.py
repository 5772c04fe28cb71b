"""Looking more than once: how much of the permitted error each look may use.

Whoever looks at growing data until something is significant will find something. The permitted error is
therefore spent over the looks by an O'Brien-Fleming-type function of the information fraction t, the share of
the largest sample that has been seen (K. Lan and D. DeMets, "Discrete sequential boundaries for clinical
trials", Biometrika 70, 1983):

    spent(t) = 2 (1 - Phi(z(1 - alpha / 2) / sqrt t))

Early looks get next to nothing (of 5%: 0.009% at a quarter, 0.56% at the half), so they decide only what is
plain, and the last look keeps almost all. The nominal level of each look follows from the joint distribution
of the looks, independent normal increments, by numerical integration (P. Armitage, C. McPherson and B. Rowe,
"Repeated significance tests on accumulating data", JRSS A 132, 1969).

Both sides spend: false PASS and false FAIL each have a function of their own. The family of checks keeps its
procedures at every look (all must pass; Holm among those that fail), at the look's levels.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from vllm_migrate.audit.decide.judge import ONE_LOOK, Levels
from vllm_migrate.statistics.distributions import normal_cdf, normal_quantile

MOST_LOOKS = 4
_LEAST_LEVEL = 1e-9  # a first look at a sixty-fourth is granted so little that it would be no number above 0
_GRID = 1201
_WIDE = 8.0  # standard deviations of the grid's lower end


def spent(alpha: float, fraction: float) -> float:
    """Error spent by information fraction `fraction`, of one-sided `alpha` in all."""
    if not 0 < fraction < 1:
        return alpha if fraction >= 1 else 0.0
    return 2 * (1 - normal_cdf(normal_quantile(1 - alpha / 2) / math.sqrt(fraction)))


@lru_cache(maxsize=64)
def nominal_levels(alpha: float, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """One-sided level at which each look tests, so that all of them together err with probability `alpha`.

    Args:
        alpha: one-sided.
        fractions: information fraction of each look, ascending, the last 1.
    """
    levels: list[float] = []
    before = 0.0  # information so far
    grid, density = np.zeros(1), np.ones(1)  # where the sum of increments is, not having crossed yet
    used = 0.0
    for fraction in fractions:
        budget = spent(alpha, fraction) - used
        used += budget
        step = math.sqrt(fraction - before)
        bound = _bound(grid, density, step, budget)
        levels.append(max(_LEAST_LEVEL, 1 - normal_cdf(bound / math.sqrt(fraction))))
        following = np.linspace(-_WIDE * math.sqrt(fraction), bound, _GRID)
        kernel = np.exp(-0.5 * ((following[:, None] - grid[None, :]) / step) ** 2) / (
            step * math.sqrt(2 * math.pi)
        )
        density = kernel @ (density * _weights(grid))
        grid, before = following, fraction
    return tuple(levels)


def _bound(grid: np.ndarray, density: np.ndarray, step: float, budget: float) -> float:
    """The value that the next sum exceeds, not having crossed before, with probability `budget`."""
    mass = density * _weights(grid)
    low, high = -_WIDE, 12.0
    for _ in range(80):
        middle = (low + high) / 2
        beyond = [0.5 * math.erfc(float(x) / math.sqrt(2)) for x in (middle - grid) / step]
        if float(mass @ np.array(beyond)) > budget:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _weights(grid: np.ndarray) -> np.ndarray:
    """Trapezoid weights; a single point carries all of it."""
    if len(grid) == 1:
        return np.ones(1)
    weights = np.full(len(grid), grid[1] - grid[0])
    weights[[0, -1]] /= 2
    return weights


def levels_of(look: int, fractions: tuple[float, ...]) -> Levels:
    """The levels of look `look`, counted from 0."""
    return Levels(
        of_pass=nominal_levels(ONE_LOOK.of_pass, fractions)[look],
        of_fail=nominal_levels(ONE_LOOK.of_fail, fractions)[look],
    )


def look_sizes(available: int, fewest: int, looks: int = MOST_LOOKS) -> tuple[int, ...]:
    """After how many units to look: equal steps up to `available`, none of fewer than `fewest` units."""
    looks = max(1, min(looks, available // max(1, fewest)))
    return tuple(round(available * (look + 1) / looks) for look in range(looks))
