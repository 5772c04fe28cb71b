"""Divergence of two engines over the same tokens, reduced to sums per prompt.

Everything reported about a pair of engines is a ratio of two sums over tokens, and everything uncertain
about it comes from which prompts were drawn. So the tokens are gone through once, in chunks, and what
remains is one row of sums per prompt; the bootstrap (`statistics.py`) works on those rows. Ten million
pairs take seconds and little memory.

Weighting: every token counts the same, so a long completion weighs more than a short one. That is what a
token-level clip rate means in PPO and GRPO. PipelineRL reports means over sequences of per-sequence token
means instead, where a short completion weighs as much as a long one; the two agree where completions have
similar lengths.

A token to which one side gives probability zero has no finite d. It counts in `outside_support` and in
`tokens`, and in no mean: averaging it would make every mean infinite, dropping it would hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.errors import EngineError
from vllm_migrate.objective import ClipRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = [
    "COLUMNS",
    "ESTIMATES",
    "SHARED",
    "SHARES",
    "TOKENS",
    "ClipRange",
    "PromptSums",
    "Reducer",
    "reduce_tokens",
    "run_starts",
]

_CHUNK = 1 << 18  # tokens at a time: 2 MB per float64 array, so the work stays in the processor's cache
_F2 = float(np.log(2.0))
_MOST_KEPT = 1 << 24  # distances kept for an exact percentile: 128 MB
_DROPPED_BITS = np.uint32(12)

# The denominators: all tokens, tokens to which both sides give some probability, and what can be clipped: the
# latter, or the sequences that have any where the objective clips whole sequences.
TOKENS, SHARED, CLIPPABLE = "tokens", "shared", "clippable"
ESTIMATES = {
    "mean_abs": SHARED,
    "mean_ratio_deviation": SHARED,
    "k1": SHARED,
    "k2": SHARED,
    "k3": SHARED,
    "mult_prob_err": SHARED,
    "tail_f2": SHARED,
    "clip_rate": CLIPPABLE,
    "outside_support": TOKENS,
}
SHARES = frozenset({"tail_f2", "clip_rate", "outside_support"})  # counts of events among tokens or sequences
COLUMNS = (TOKENS, SHARED, CLIPPABLE, *ESTIMATES)


@dataclass(frozen=True, slots=True)
class PromptSums:
    """All that is kept of a comparison.

    Attributes:
        sums: float64, shape (prompts, len(COLUMNS)): per prompt the sum over its tokens of each column.
        p99_abs, max_abs: tail of |d| over tokens both sides support, nats.
        ess: effective sample size as a share, (sum r)^2 / (N sum r^2) with r = exp d, not clamped.
    """

    sums: Floats
    p99_abs: float
    max_abs: float
    ess: float

    def column(self, name: str) -> Floats:
        """One column's sums, shape (prompts,)."""
        return self.sums[:, COLUMNS.index(name)]

    def total(self, name: str) -> float:
        """One column's sum over all tokens."""
        return float(self.column(name).sum())


def reduce_tokens(
    sampler: Floats,
    other: Floats,
    prompts: Integers,
    *,
    clip: ClipRange,
    policy_is_other: bool,
    sequences: Integers | None = None,
) -> PromptSums:
    """Reduce aligned logprobs to sums per prompt.

    Tokens were drawn by one side, the sampler; d is the other side's logprob minus the sampler's, so that
    mean exp(d) estimates 1 and k1, k2, k3 estimate KL(sampler || other) (J. Schulman, "Approximating KL
    divergence", 2020).

    Args:
        sampler: logprob of each token under the side that drew it, nats, shape (tokens,).
        other: its logprob under the other side.
        prompts: index of each token's prompt, any order.
        clip: the user's clip range.
        policy_is_other: which side stands for the policy in PPO's ratio policy / behaviour. True where the
            tokens are an engine's own and the other side is the trainer: the ratio is exp(d). False where
            the tokens are the reference's and the other side is the candidate, whose logprob would stand
            as the behaviour's: exp(-d).
        sequences: index of each token's sequence, tokens of one standing together; only an objective that
            clips whole sequences needs it.

    Raises:
        EngineError: a logprob is not a number.
        ValueError: the arrays differ in length.
    """
    if not len(sampler) == len(other) == len(prompts):
        raise ValueError(f"{len(sampler)}, {len(other)} and {len(prompts)} values do not align")
    if len(prompts) and np.any(prompts[1:] < prompts[:-1]):
        order = np.argsort(prompts, kind="stable")
        sampler, other, prompts = sampler[order], other[order], prompts[order]
        sequences = None if sequences is None else sequences[order]
    reducer = Reducer(clip, policy_is_other=policy_is_other)
    reducer.add(sampler, other, prompts, sequences)
    return reducer.result()


class Reducer:
    """The same over a stream of blocks, for more tokens than fit in memory.

    Tokens come in the order of their prompts; a prompt or sequence may go on in the next block. What is kept
    is one row a prompt, and up to 16 million distances for the 99th percentile.
    """

    def __init__(self, clip: ClipRange, *, policy_is_other: bool) -> None:
        self._clip = clip
        self._policy_is_other = policy_is_other
        self._rows = _Rows(len(COLUMNS))
        self._ratios = _RatioSums()
        self._tail = _Tail()
        self._of_sequences = _Sequences(clip) if clip.by_sequence else None

    def add(
        self, sampler: Floats, other: Floats, prompts: Integers, sequences: Integers | None = None
    ) -> None:
        """Take one block; arguments as in `reduce_tokens`, prompts ascending."""
        if self._of_sequences is not None and sequences is None:
            raise ValueError("an objective that clips sequences needs to know them")
        for start in range(0, len(sampler), _CHUNK):
            part = slice(start, start + _CHUNK)
            of_prompt = prompts[part]
            columns, d, shared = _columns(
                sampler[part], other[part], clip=self._clip, policy_is_other=self._policy_is_other
            )
            if self._of_sequences is not None and sequences is not None:
                self._of_sequences.add(d if self._policy_is_other else -d, shared, of_prompt, sequences[part])
            runs = run_starts(of_prompt)
            self._rows.add(of_prompt[runs], np.column_stack([np.add.reduceat(c, runs) for c in columns]))
            present = d if shared is None else d[shared]
            self._ratios.add(present)
            self._tail.add(np.abs(present))

    def result(self) -> PromptSums:
        """The sums of everything added."""
        prompts, sums = self._rows.result()
        if self._of_sequences is not None:
            counted, clipped = self._of_sequences.by_prompt(prompts)
            sums[:, COLUMNS.index(CLIPPABLE)] = counted
            sums[:, COLUMNS.index("clip_rate")] = clipped
        return PromptSums(
            sums=sums,
            max_abs=self._tail.largest,
            p99_abs=self._tail.p99(),
            ess=self._ratios.effective_share(),
        )


def _columns(
    sampler: Floats, other: Floats, *, clip: ClipRange, policy_is_other: bool
) -> tuple[list[Floats], Floats, NDArray[np.bool_] | None]:
    """The columns of one chunk in the order of COLUMNS, d, and where both sides support the token.

    d is 0 where they don't; the last is None where they all do.
    """
    if np.isnan(sampler).any() or np.isnan(other).any():
        raise EngineError(
            "an engine reported logprobs that are not numbers",
            hint="look for NaN in the checkpoint or its dtype",
        )
    sampler_supports, other_supports = np.isfinite(sampler), np.isfinite(other)
    shared = sampler_supports & other_supports
    everywhere = bool(shared.all())
    d = other - sampler if everywhere else np.where(shared, other, 0.0) - np.where(shared, sampler, 0.0)
    low, high = clip.bounds
    with np.errstate(over="ignore", divide="ignore"):
        growth = np.expm1(d)  # exp(d) - 1 without cancellation near 0
        ratio = growth + 1.0
        error = np.maximum(ratio, 1.0 / ratio)
    if not everywhere:
        error = error * shared
    policy = d if policy_is_other else -d
    magnitude = np.abs(d)
    shares = shared.astype(np.float64)
    columns = [
        np.ones(len(d)),
        shares,
        shares,
        magnitude,
        growth,
        -d,
        np.square(d) / 2,
        growth - d,
        error,
        (magnitude > _F2).astype(np.float64),
        ((policy < low) | (policy > high)).astype(np.float64),
        (sampler_supports ^ other_supports).astype(np.float64),
    ]
    return columns, d, None if everywhere else shared


def run_starts(values: Integers) -> Integers:
    """Where each run of equal values starts."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1)).astype(np.int64)


class _Rows:
    """Rows of sums by an ascending key; a key that goes on in the next block is added to."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._keys: list[Integers] = []
        self._sums: list[Floats] = []

    def add(self, keys: Integers, sums: Floats) -> None:
        if not len(keys):
            return
        if self.goes_on(keys[0]):
            self._sums[-1][-1] += sums[0]
            keys, sums = keys[1:], sums[1:]
        if len(keys):
            self._keys.append(keys)
            self._sums.append(sums)

    def goes_on(self, key: int) -> bool:
        return bool(self._keys) and self._keys[-1][-1] == key

    def result(self) -> tuple[Integers, Floats]:
        if not self._keys:
            return np.zeros(0, dtype=np.int64), np.zeros((0, self._width))
        return np.concatenate(self._keys), np.concatenate(self._sums)


class _Sequences:
    """Which sequences a sequence objective would clip: exp of the mean of the policy's log ratio."""

    def __init__(self, clip: ClipRange) -> None:
        self._bounds = clip.bounds
        self._rows = _Rows(3)  # sum of log ratios, tokens, prompt

    def add(
        self, policy: Floats, shared: NDArray[np.bool_] | None, prompts: Integers, sequences: Integers
    ) -> None:
        runs = run_starts(sequences)
        counted = np.ones(len(policy)) if shared is None else shared.astype(np.float64)
        of_prompt = prompts[runs].astype(np.float64)
        if len(runs) and self._rows.goes_on(sequences[runs[0]]):
            of_prompt[0] = 0.0  # said already, and rows are added up
        sums = np.column_stack([np.add.reduceat(policy, runs), np.add.reduceat(counted, runs), of_prompt])
        self._rows.add(sequences[runs], sums)

    def by_prompt(self, prompts: Integers) -> tuple[Floats, Floats]:
        """Sequences with any shared token, and those clipped, for each prompt."""
        _, sums = self._rows.result()
        sums = sums[sums[:, 1] > 0]
        mean = sums[:, 0] / sums[:, 1]
        clipped = (mean < self._bounds[0]) | (mean > self._bounds[1])
        where = np.searchsorted(prompts, sums[:, 2].astype(np.int64))
        count = np.bincount(where, minlength=len(prompts)).astype(np.float64)
        share = np.bincount(where, weights=clipped, minlength=len(prompts))
        return count, share.astype(np.float64)


class _Tail:
    """Largest value and 99th percentile of a stream of distances.

    Exact up to 16 million values; beyond that from counts in bins of 1/2048 of an octave: the upper bits of
    the value as a 32-bit float, so the error is below 0.05%.
    """

    def __init__(self) -> None:
        self.largest = 0.0
        self._kept: list[Floats] = []
        self._count = 0
        self._bins: Integers | None = None

    def add(self, values: Floats) -> None:
        if not len(values):
            return
        self.largest = max(self.largest, float(values.max()))
        self._count += len(values)
        if self._bins is None:
            self._kept.append(values)
            if self._count > _MOST_KEPT:
                self._bins = np.zeros(1 << 19, dtype=np.int64)
                for kept in self._kept:
                    self._bins += _binned(kept)
                self._kept.clear()
        else:
            self._bins += _binned(values)

    def p99(self) -> float:
        if self._bins is not None:
            bin_index = int(np.searchsorted(np.cumsum(self._bins), 0.99 * (self._count - 1), side="right"))
            edges = (np.array([bin_index, bin_index + 1], dtype=np.uint32) << _DROPPED_BITS).view(np.float32)
            return float(edges.astype(np.float64).mean())
        if not self._kept:
            return 0.0
        return float(np.quantile(np.concatenate(self._kept), 0.99, overwrite_input=True))


def _binned(values: Floats) -> Integers:
    bits = values.astype(np.float32).view(np.uint32) >> _DROPPED_BITS
    return np.bincount(bits, minlength=1 << 19)


class _RatioSums:
    """Running log-sum-exp of d and 2d, so that one huge ratio overflows nothing."""

    def __init__(self) -> None:
        self._top = -np.inf
        self._first = self._second = 0.0
        self._count = 0

    def add(self, d: Floats) -> None:
        if not len(d):
            return
        top = max(self._top, float(d.max()))
        scale = float(np.exp(self._top - top)) if np.isfinite(self._top) else 0.0
        ratios = np.exp(d - top)
        self._first = self._first * scale + float(ratios.sum())
        self._second = self._second * scale * scale + float(np.dot(ratios, ratios))
        self._top = top
        self._count += len(d)

    def effective_share(self) -> float:
        return self._first**2 / (self._count * self._second) if self._count else 1.0
