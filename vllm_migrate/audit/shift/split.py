"""What a reward's shift consists of: truncation, correctness, length, the scorer, and the rest.

The rewards of both sides' completions are regressed on a mark for the candidate's, with a mean of its own for
every prompt and with each side of a prompt weighted alike. The mark's coefficient is then the paired
difference itself. One after the other, what may lie behind it joins the regression: whether a completion was
cut off, whether it is right (by a verifier of ours, not by the reward), and its length in a restricted cubic
spline. What each takes off the mark's coefficient is its term (the omitted variable formula; as in the
decompositions of R. Oaxaca, 1973, and A. Blinder, 1973, with pooled coefficients and the mark among them: B.
Jann, 2008), so that the terms add up to the difference exactly. The order is that in which one leads to the
next: a completion that was cut off is wrong because of that, and its loss is truncation's.

What the mark keeps is the rest: what the candidate's completions earn more at equal correctness, truncation
and length. Where two scorers are at work (a reward model served by both engines), the candidate's completions
are scored by both, and what differs on the same texts is the scorer's term; the others are by the reference's
scorer. Intervals resample prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS, resample_sums, spread_correction
from vllm_migrate.audit.sections import RewardSplit, RewardTerm
from vllm_migrate.reward.explain.curve import knots_of, spline_basis
from vllm_migrate.reward.figures import centred
from vllm_migrate.statistics.verdict import Estimate, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

TRUNCATION, CORRECTNESS, LENGTH, SCORER, REST = "truncation", "correctness", "length", "scorer", "rest"
STYLE_MARGIN = 0.05
"""Standard deviations within which a preference for one side's style is none; judgement, as for the shift."""
_KNOWN = 0.5  # share of the completions that weren't cut off which must be known to be right or wrong
_LITTLE = 1e-9
_DUST = 1e-12  # of the largest reward
_CUT = "length"


@dataclass(frozen=True, slots=True)
class Written:
    """One completion, by what is known of it.

    Attributes:
        prompt: its number. `reward` what its side's scorer says.
        length: in tokens, or in characters where these aren't known.
        finish_reason: "" where it isn't known.
        right: by a verifier that is not the reward; None where it can't tell.
        fixed: what the reference's scorer says, None where there is one scorer only.
    """

    prompt: int
    reward: float
    length: float
    finish_reason: str = ""
    right: bool | None = None
    fixed: float | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """Columns that join the regression together; none where they don't vary or aren't known, as `note` says.

    `values` is what reports show the means of, in `unit`; there is none where it isn't known.
    """

    name: str
    columns: Floats
    values: Floats
    unit: str = ""
    note: str = ""


def split_shift(
    reference: Sequence[Written],
    candidate: Sequence[Written],
    *,
    length_unit: str = "tokens",
    seed: int = 0,
    notes: Sequence[str] = (),
) -> RewardSplit | None:
    """The split; None where no prompt has completions of both sides.

    Args:
        reference: its completions.
        candidate: its completions, of the same prompts.
        length_unit: of their lengths.
        seed: of the resampling.
        notes: to be kept with the result.
    """
    shared = {one.prompt for one in reference} & {one.prompt for one in candidate}
    both = [
        [one for one in side if one.prompt in shared and np.isfinite(one.reward)]
        for side in (reference, candidate)
    ]
    shared = {one.prompt for one in both[0]} & {one.prompt for one in both[1]}
    rows = [one for side in both for one in side if one.prompt in shared]
    if not rows:
        return None
    marks = np.repeat([0.0, 1.0], [sum(one.prompt in shared for one in side) for side in both])
    _, index = np.unique([one.prompt for one in rows], return_inverse=True)
    weights = _weights(index, marks)
    rewards = np.array([one.reward for one in rows])
    fixed = np.array([one.reward if one.fixed is None else one.fixed for one in rows])
    blocks = [_truncation(rows), _correctness(rows), _length(rows, length_unit)]
    point, draws = (
        _without_dust(found, rewards)
        for found in _telescoped(blocks, marks, fixed, rewards - fixed, index, weights, seed)
    )
    names = [TRUNCATION, CORRECTNESS, LENGTH, SCORER, REST]
    two = any(one.fixed is not None for one in rows)
    about = {block.name: block for block in blocks}
    terms = tuple(
        _term(name, about.get(name), _estimate(point, draws, place), marks, weights, two_scorers=two)
        for place, name in enumerate(names)
    )
    spread = float(np.std(rewards[marks == 0]))
    unit = spread if spread > _LITTLE else 1.0
    rest = draws[:, names.index(REST)] / unit
    style = _estimate(point, draws, names.index(REST), unit)
    total = Estimate(float(point.sum()), *_bounds(draws.sum(axis=1)))
    return RewardSplit(
        total=total,
        terms=terms,
        style=style,
        style_margin=STYLE_MARGIN,
        style_verdict=_verdict(rest, len(shared)) if np.ptp(rewards) > _LITTLE else Verdict.INCONCLUSIVE,
        prompts=len(shared),
        completions=len(rows),
        notes=tuple(notes),
    )


def _weights(index: Integers, marks: Floats) -> Floats:
    """Each side of each prompt weighs 1."""
    cell = index * 2 + marks.astype(np.int64)
    return np.asarray(1.0 / np.bincount(cell)[cell])


def _truncation(rows: Sequence[Written]) -> _Block:
    cut = np.array([float(one.finish_reason == _CUT) for one in rows])
    if not all(one.finish_reason for one in rows):
        return _Block(TRUNCATION, _none(rows), cut, note="how completions ended is not known")
    if np.ptp(cut) == 0:
        note = "every completion was cut off" if cut[0] else "no completion was cut off"
        return _Block(TRUNCATION, _none(rows), cut, "share", note)
    return _Block(TRUNCATION, cut[:, None], cut, "share")


def _correctness(rows: Sequence[Written]) -> _Block:
    right = np.array([float(one.right is True) for one in rows])
    known = np.array([one.right is not None for one in rows])
    ended = np.array([one.finish_reason != _CUT for one in rows])
    if not known.any():
        return _Block(CORRECTNESS, _none(rows), right, note="there are no reference answers to compare with")
    if ended.any() and known[ended].mean() < _KNOWN:
        note = f"only {known[ended].mean():.0%} of the answers could be compared with their references"
        return _Block(CORRECTNESS, _none(rows), right, note=note)
    if np.ptp(right) == 0:
        note = "every completion is right" if right[0] else "no completion is right"
        return _Block(CORRECTNESS, _none(rows), right, "share", note)
    return _Block(CORRECTNESS, np.column_stack([right, (~known).astype(np.float64)]), right, "share")


def _length(rows: Sequence[Written], unit: str) -> _Block:
    lengths = np.array([one.length for one in rows], dtype=np.float64)
    if np.ptp(lengths) == 0:
        return _Block(LENGTH, _none(rows), lengths, unit, note="all completions are equally long")
    scaled = (lengths - lengths.mean()) / lengths.std()
    return _Block(LENGTH, spline_basis(scaled, knots_of(scaled))[:, 1:], lengths, unit)


def _none(rows: Sequence[Written]) -> Floats:
    return np.zeros((len(rows), 0))


def _telescoped(  # noqa: PLR0917 - one regression
    blocks: Sequence[_Block],
    marks: Floats,
    fixed: Floats,
    between: Floats,
    index: Integers,
    weights: Floats,
    seed: int,
) -> tuple[Floats, Floats]:
    """Terms of the blocks, then of the scorer, then the rest: shape (5,), and resampled (resamples, 5)."""
    design = np.column_stack([marks, *(block.columns for block in blocks), fixed])
    design = centred(design, index, weights)
    design[:, 1:-1] /= np.maximum(np.sqrt((design[:, 1:-1] ** 2).mean(axis=0)), _LITTLE)
    width, prompts = design.shape[1], int(index.max()) + 1
    products = (weights[:, None, None] * design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    scorer = weights * between * marks
    sums = np.column_stack([_added(column, index, prompts) for column in (*products.T, scorer)])
    sums = np.column_stack([sums, np.ones(prompts)])
    steps = np.cumsum([1, *(block.columns.shape[1] for block in blocks)])
    point = _terms(sums.sum(axis=0)[None, :], width, steps)[0]
    if prompts < 2:  # noqa: PLR2004 - one prompt has no spread
        return point, point[None, :]
    resampled, clusters = resample_sums(sums, seed=seed)
    draws = _terms(resampled, width, steps)
    return point, point + (draws - point) * spread_correction(clusters)


def _without_dust(found: Floats, rewards: Floats) -> Floats:
    """What is left of 0 after rounding is 0."""
    return np.asarray(np.where(np.abs(found) < _DUST * np.abs(rewards).max(), 0.0, found))


def _terms(sums: Floats, width: int, steps: Integers) -> Floats:
    """From sums of products: what each step takes off the mark's coefficient, the scorer's, and the rest."""
    grams = sums[:, : width * width].reshape(-1, width, width)
    left = {int(step): _coefficient(grams, int(step)) for step in np.unique(steps)}
    taken = [left[int(before)] - left[int(after)] for before, after in pairwise(steps)]
    return np.column_stack([*taken, sums[:, -2] / sums[:, -1], left[int(steps[-1])]])


def _coefficient(grams: Floats, columns: int) -> Floats:
    """The mark's coefficient beside the first so many columns.

    What can't be told from the mark (no completion of one side was cut off, and all of the other's) is not
    the mark's: a hair's weight on its coefficient decides that.
    """
    inner = grams[:, :columns, :columns].copy()
    if columns == 1:
        return np.asarray(grams[:, 0, -1] / np.maximum(inner[:, 0, 0], _LITTLE))
    inner[:, 0, 0] *= 1 + 1e-7
    found = np.linalg.pinv(inner, rcond=1e-10, hermitian=True) @ grams[:, :columns, -1:]
    return np.asarray(found[:, 0, 0])


def _added(column: Floats, index: Integers, prompts: int) -> Floats:
    return np.asarray(np.bincount(index, weights=column, minlength=prompts))


def _term(
    name: str,
    block: _Block | None,
    estimate: Estimate,
    marks: Floats,
    weights: Floats,
    *,
    two_scorers: bool,
) -> RewardTerm:
    if block is None:
        note = "one scorer judged both sides" if name == SCORER and not two_scorers else ""
        return RewardTerm(name, Estimate(0.0) if note else estimate, note=note)
    if not block.columns.shape[1]:
        value = float(block.values[0]) if block.unit else None
        return RewardTerm(name, Estimate(0.0), value, value, block.unit, block.note)
    means = [
        float(np.average(block.values[marks == side], weights=weights[marks == side])) for side in (0.0, 1.0)
    ]
    return RewardTerm(name, estimate, means[0], means[1], block.unit)


def _estimate(point: Floats, draws: Floats, place: int, unit: float = 1.0) -> Estimate:
    return Estimate(float(point[place]) / unit, *_bounds(draws[:, place] / unit))


def _bounds(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _verdict(rest: Floats, prompts: int) -> Verdict:
    """As for the shift: two one-sided tests at 5% for PASS, the 95% interval outside for FAIL."""
    low, high = _bounds(rest)
    inner = np.quantile(rest, (0.05, 0.95))
    if prompts < FEWEST_PROMPTS:
        return Verdict.INCONCLUSIVE
    if low > STYLE_MARGIN or high < -STYLE_MARGIN:
        return Verdict.FAIL
    return Verdict.PASS if np.abs(inner).max() <= STYLE_MARGIN else Verdict.INCONCLUSIVE
