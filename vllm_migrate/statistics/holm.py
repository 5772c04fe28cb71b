"""Several tests at once, so that the chance of any false one stays at the level (S. Holm, 1979)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm_corrected(values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, in their order: those at most a level are rejected at it."""
    order = sorted(range(len(values)), key=values.__getitem__)
    made, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        made[place] = largest
    return made
