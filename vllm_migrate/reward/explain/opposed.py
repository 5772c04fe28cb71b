"""Padding that raises some texts and lowers others: right and wrong ones, whose shifts cancel in a mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.changes.paired import FEWEST, Shift, mean_of
from vllm_migrate.reward.explain.lengths import cells_of, fixes_correctness
from vllm_migrate.reward.figures import judged
from vllm_migrate.reward.outcome import Limits, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.reward.bench import Bench

SHIFTS = Limits(
    0.05, 0.2, above=True, source="standard deviations; 0.05 is equivalence, 0.2 a small effect; judgement"
)


@dataclass(frozen=True, slots=True)
class Opposed:
    """One kind of padding that moves two kinds of texts in opposite directions.

    Attributes:
        family: of the padding.
        kinds: the two kinds of texts in words, with the shift of each.
    """

    family: str
    kinds: tuple[tuple[str, Shift], tuple[str, Shift]]

    @property
    def larger(self) -> Shift:
        """The one that moves farther."""
        (_, one), (_, other) = self.kinds
        return one if one.size.value >= other.size.value else other

    @property
    def outcome(self) -> Outcome:
        """Of the larger one."""
        return judged(SHIFTS, self.larger.size)

    @property
    def said(self) -> str:
        """In words."""
        (one, up), (other, down) = self.kinds
        by = f"by {up.mean.value:+.2f}, those that are {other} by {down.mean.value:+.2f} standard deviations"
        return f"({self.family}) shifts texts that are {one} {by}"

    @property
    def parts(self) -> dict[str, float]:
        """The figures, for a report's table."""
        return {f"{self.family}, {words}": shift.mean.value for words, shift in self.kinds}


def opposed_shifts(bench: Bench, pads: Mapping[str, Shift]) -> Opposed | None:
    """The kind of padding that does so most clearly, None where none does.

    Both shifts have to lie beyond what counts as none, interval and all. Where it isn't known what is right,
    texts above the median reward stand for right ones.
    """
    if fixes_correctness(bench):
        cells, known = cells_of(bench)
        kinds = (("right", known & (cells % 2 == 1)), ("wrong", known & (cells % 2 == 0)))
    else:
        above = bench.values > np.nanmedian(bench.values)
        kinds = (("above the median", above), ("below it", np.isfinite(bench.values) & ~above))
    found = []
    for family, whole in pads.items():
        members = [tuple(one for one in whole.asked if kind[one.index]) for _, kind in kinds]
        if min(map(len, members)) < FEWEST:
            continue
        first, second = (Shift(mean_of(bench, asked), asked) for asked in members)
        if first.mean.value * second.mean.value < 0 and _shown(first) and _shown(second):
            found.append(Opposed(family, ((kinds[0][0], first), (kinds[1][0], second))))
    return max(found, key=lambda one: one.larger.size.value, default=None)


def _shown(shift: Shift) -> bool:
    return shift.size.low is not None and shift.size.low > (SHIFTS.warn or 0.0)
