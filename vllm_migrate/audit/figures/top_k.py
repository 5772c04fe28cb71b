"""Exact divergence of two distributions at the same position, from the most likely tokens of each.

No sampling noise: the sum goes over the distribution, not over what was drawn from it. What both sides list
is compared token by token; all the rest is one more outcome, so that what comes out is the KL divergence of a
coarser distribution, never above the true one and close to it where little probability is left over. That
share is reported.

Where a side lists tokens without probability (it cut its distribution by top-k, top-p or min-p) it has no
rest. Probability the sampler gives to tokens outside the other's support would make the divergence infinite
there; such tokens gate by their own share (`outside_support`), and the divergence is that of the sampler's
distribution given the other's support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

    Rows = Sequence[Sequence[int]]
    Logprobs = Sequence[Sequence[float]]

_AT_ONCE = 4096  # positions compared at a time: a few MB for lists of 20
_NOTHING = 1e-6  # probability below which a rest is rounding: 20 float32 logprobs sum to 1 within about that


@dataclass(frozen=True, slots=True)
class TopK:
    """Per position, shape (positions,).

    Attributes:
        kl: KL(sampler || other), nats; NaN where the lists share no token.
        entropy_shift: entropy of the other side minus the sampler's, nats, the rest being one outcome.
        uncovered: the sampler's probability that was not compared token by token.
        lost: the sampler's probability outside the other's support; `gained` the other's outside the
            sampler's.
    """

    kl: Floats
    entropy_shift: Floats
    uncovered: Floats
    lost: Floats
    gained: Floats


def compare_top(ids: Rows, logprobs: Logprobs, other_ids: Rows, other_logprobs: Logprobs) -> TopK:
    """Compare two sides' most likely tokens position by position.

    Args:
        ids: the sampler's token ids per position, most likely first; lists may differ in length.
        logprobs: theirs, nats; -inf where the token has no probability.
        other_ids: the other side's.
        other_logprobs: theirs.
    """
    sampler, other = _padded(ids, logprobs, -1), _padded(other_ids, other_logprobs, -2)
    parts = [
        _compare(sampler.part(start), other.part(start)) for start in range(0, len(sampler.ids), _AT_ONCE)
    ]
    if not parts:
        nothing = np.zeros(0)
        return TopK(nothing, nothing, nothing, nothing, nothing)
    return TopK(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True, slots=True)
class _Side:
    """Rectangular ids and logprobs, and which positions list a token without probability."""

    ids: Integers
    logprobs: Floats
    cut: NDArray[np.bool_]

    def part(self, start: int) -> _Side:
        rows = slice(start, start + _AT_ONCE)
        return _Side(self.ids[rows], self.logprobs[rows], self.cut[rows])


def _padded(ids: Rows, logprobs: Logprobs, missing: int) -> _Side:
    width = max(map(len, ids), default=0)
    shape = (len(ids), width)
    out_ids, out = np.full(shape, missing, dtype=np.int64), np.full(shape, -np.inf)
    for row, (of_row, values) in enumerate(zip(ids, logprobs, strict=True)):
        out_ids[row, : len(of_row)] = of_row
        out[row, : len(values)] = values
    cut: NDArray[np.bool_] = np.any(np.isneginf(out) & (out_ids >= 0), axis=1)
    return _Side(out_ids, out, cut)


def _compare(sampler: _Side, other: _Side) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    logprobs, other_logprobs = sampler.logprobs, other.logprobs
    same = sampler.ids[:, :, None] == other.ids[:, None, :]
    same &= np.isfinite(logprobs)[:, :, None] & np.isfinite(other_logprobs)[:, None, :]
    listed = same.any(axis=2)
    partner = np.take_along_axis(other_logprobs, same.argmax(axis=2), axis=1)
    p, q = np.exp(logprobs), np.exp(other_logprobs)
    mass = np.where(listed, p, 0.0).sum(axis=1)
    other_mass = np.where(listed, np.exp(partner), 0.0).sum(axis=1)
    rest, other_rest = np.maximum(1 - mass, 0.0), np.maximum(1 - other_mass, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_token = np.where(
            listed, p * (np.where(listed, logprobs, 0.0) - np.where(listed, partner, 0.0)), 0
        )
        plain = per_token.sum(axis=1)
        tail = np.where(rest > _NOTHING, rest * np.log(rest / np.maximum(other_rest, 1e-12)), 0.0)
        given = plain / mass - np.log(mass)
        kl = np.where(other.cut, given, plain + tail)
    kl = np.where(mass > 0, np.maximum(kl, 0.0), np.nan)
    lost = np.where(other.cut & (rest > _NOTHING), rest, 0.0)
    unlisted = np.maximum(q.sum(axis=1) - other_mass, 0.0)
    gained = np.where(sampler.cut & (unlisted > _NOTHING), unlisted, 0.0)
    return kl, _entropy(other_logprobs) - _entropy(logprobs), rest, lost, gained


def _entropy(logprobs: Floats) -> Floats:
    finite = np.isfinite(logprobs)
    p = np.exp(logprobs)
    rest = np.maximum(1 - p.sum(axis=1), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_rest = np.where(rest > _NOTHING, -rest * np.log(rest), 0.0)
    entropy: Floats = np.where(finite, -p * np.where(finite, logprobs, 0.0), 0.0).sum(axis=1) + of_rest
    return entropy
