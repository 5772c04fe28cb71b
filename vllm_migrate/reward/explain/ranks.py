"""How far one thing goes with another among completions of the same prompt.

Ranks are taken within cells (a prompt's completions, or those of them that are right, or wrong) and centred
there, so that neither hard prompts nor right answers being longer can make a correlation. Intervals resample
prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.explain.curve import knots_of, spline_basis
from vllm_migrate.reward.figures import RESAMPLES, centred
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Of ranks within cells.

    Attributes:
        rho: with a 95% interval. `count` of samples in cells where both vary.
    """

    rho: Estimate
    count: int


def ranks(values: Floats) -> Floats:
    """From 1 on, equal values sharing the mean of theirs."""
    order = np.argsort(values, kind="stable")
    placed = np.empty(len(values))
    placed[order] = np.arange(1, len(values) + 1)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(inverse, weights=placed) / counts)[inverse])


def rank_correlation(
    one: Floats, other: Floats, cells: Integers, prompts: Integers, *, seed: int = 0
) -> Correlation | None:
    """Spearman's rho within cells, pooled over them; None where in no cell both vary.

    The sums of products of centred ranks (divided by the cell's size) are added up over cells, so that a cell
    counts by its samples.

    Args:
        one: shape (samples,), finite.
        other: likewise.
        cells: the cell of each sample, shape (samples,).
        prompts: the prompt of each sample; cells of one prompt are resampled together.
        seed: of the resampling.
    """
    sums: dict[int, NDArray[np.float64]] = {}
    count = 0
    for members in _cells(cells):
        if np.ptp(one[members]) == 0 or np.ptp(other[members]) == 0:
            continue
        a, b = ranks(one[members]) / len(members), ranks(other[members]) / len(members)
        a, b = a - a.mean(), b - b.mean()
        prompt = int(prompts[members[0]])
        sums[prompt] = sums.get(prompt, np.zeros(3)) + np.array([a @ b, a @ a, b @ b])
        count += len(members)
    if not sums:
        return None
    table = np.array(list(sums.values()))
    draw = np.random.default_rng(seed).integers(len(table), size=(RESAMPLES, len(table)))
    resampled = table[draw].sum(axis=1)
    low, high = np.quantile(_rho(resampled), (0.025, 0.975))
    return Correlation(Estimate(float(_rho(table.sum(axis=0)[None, :])[0]), float(low), float(high)), count)


def explained(one: Floats, other: Floats, cells: Integers) -> float | None:
    """Share of `other`'s variance within cells that a spline of `one` (see `curve`) explains, adjusted.

    Columns of the spline and what they explain are centred within cells; the share is adjusted for the
    degrees of freedom of both. None where it can't be told: too few samples, or no variance.
    """
    if np.ptp(one) == 0:
        return None
    scaled = (one - one.mean()) / one.std()
    basis = spline_basis(scaled, knots_of(scaled))[:, 1:]
    used = np.concatenate(
        [members for members in _cells(cells) if len(members) > 1] or [np.zeros(0, dtype=np.int64)]
    )
    if not len(used):
        return None
    _, index = np.unique(cells[used], return_inverse=True)
    design = centred(basis[used], index)
    target = centred(other[used][:, None], index)[:, 0]
    total = float(target @ target)
    freedom = len(used) - (int(index.max()) + 1)
    width = design.shape[1]
    if total <= 0 or freedom <= width + 1:
        return None
    fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    residual = float(((target - fitted) ** 2).sum())
    adjusted = 1 - (residual / (freedom - width)) / (total / freedom)
    return float(max(0.0, adjusted))


def _cells(cells: Integers) -> list[Integers]:
    """Places of the members of each cell."""
    order = np.argsort(cells, kind="stable")
    return [part for part in np.split(order, np.flatnonzero(np.diff(cells[order])) + 1) if len(part)]


def _rho(sums: Floats) -> Floats:
    below = np.sqrt(sums[:, 1] * sums[:, 2])
    return np.divide(sums[:, 0], below, out=np.zeros(len(sums)), where=below > 0)
