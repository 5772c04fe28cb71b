"""Windows of many lengths over a run, and the one in which a difference is largest for its noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SHORTEST = 4
_SHARE = 32


@dataclass(frozen=True)
class Windows:
    """Window lengths, each of them at every place.

    Attributes:
        steps: of the run.
        lengths: ascending, from four steps (a 32nd of the run) to all of it, half as long again each.
    """

    steps: int
    lengths: Floats

    def sums(self, values: Floats) -> list[Floats]:
        """Sums over the windows, an array (..., places) for each length."""
        total = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
        return [total[..., int(length) :] - total[..., : -int(length)] for length in self.lengths]

    def penalties(self) -> Floats:
        """What short windows, of which there are more, have to exceed (Dümbgen and Spokoiny, 2001)."""
        made: Floats = np.sqrt(2 * np.log(np.e * self.steps / self.lengths))
        return made

    def largest(self, z: Floats) -> Floats:
        """The largest window sum of each length, whatever its sign; shape (..., lengths)."""
        made: Floats = np.stack([np.abs(sums).max(axis=-1) for sums in self.sums(z)], axis=-1)
        return made

    def statistic(self, largest: Floats, deviations: Floats) -> Floats:
        """The largest sum over its standard deviation, less the penalty; shape (...)."""
        made: Floats = (largest / deviations - self.penalties()).max(axis=-1)
        return made


@lru_cache(maxsize=64)
def windows(steps: int) -> Windows:
    """The windows over a run of so many steps."""
    lengths = [max(_SHORTEST, steps // _SHARE)]
    while lengths[-1] * 1.5 < steps:
        lengths.append(int(lengths[-1] * 1.5))
    return Windows(steps, np.array(sorted({*lengths, steps}), dtype=float))
