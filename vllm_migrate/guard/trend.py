"""Does the reward rise while a second verifier, which the policy is not trained on, stays where it is?

Over the last 50 steps, of which there must be 20, a straight line is laid through the mean rewards of the
steps and one through those of the second verifier. A rise is what the line gains over the window, in standard
deviations of a single reward, so that verifiers of different scales can be compared.

The figure is the first rise less the second, and 0 unless the first is at least 3 standard errors above 0 and
the second is less than 2. Steps of a training run are not independent, so these are no probabilities; the
limit on the size of the figure is what keeps noise out (judgement).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW, LEAST = 50, 20
_RISES, _FLAT = 3.0, 2.0  # standard errors


def gap(rewards: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]) -> float | None:
    """How much more the reward has risen than the second verifier.

    Args:
        rewards: mean and standard deviation of the rewards of each step, oldest first.
        second: the same of the second verifier, for the same steps.

    Returns:
        The difference in standard deviations; None where there are too few steps, or rewards never vary.
    """
    if len(rewards) < LEAST or len(rewards) != len(second):
        return None
    spread, other_spread = _mean_spread(rewards), _mean_spread(second)
    if not spread:
        return None
    rise, errors = _rise([mean for mean, _ in rewards])
    other_rise, other_errors = _rise([mean for mean, _ in second])
    if errors < _RISES or other_errors >= _FLAT:
        return 0.0
    return max(rise / spread - other_rise / (other_spread or spread), 0.0)


def _mean_spread(steps: Sequence[tuple[float, float]]) -> float:
    return sum(spread for _, spread in steps) / len(steps)


def _rise(values: Sequence[float]) -> tuple[float, float]:
    """What the least-squares line gains from the first value to the last, and that in standard errors."""
    n = len(values)
    centre, mean = (n - 1) / 2, sum(values) / n
    spread = sum((i - centre) ** 2 for i in range(n))
    slope = sum((i - centre) * (value - mean) for i, value in enumerate(values)) / spread
    residual = sum((value - mean - slope * (i - centre)) ** 2 for i, value in enumerate(values))
    error = math.sqrt(residual / (n - 2) / spread)
    if error <= 1e-12 * max(abs(mean), 1.0):  # an exact line
        return slope * (n - 1), math.copysign(math.inf, slope) if abs(slope) > 1e-12 * abs(mean) else 0.0
    return slope * (n - 1), slope / error
