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

from vllm_migrate.audit.result import Estimate, Metrics
from vllm_migrate.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.audit.statistics import Bootstrap

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_CHUNK = 1 << 18  # tokens at a time: 2 MB per float64 array, so the work stays in the processor's cache
_F2 = float(np.log(2.0))

TOKENS, SHARED = (
    "tokens",
    "shared",
)  # the two denominators: all tokens, tokens to which both sides give some probability
ESTIMATES = {
    "mean_abs": SHARED,
    "mean_ratio_deviation": SHARED,
    "k1": SHARED,
    "k2": SHARED,
    "k3": SHARED,
    "tail_f2": SHARED,
    "clip_rate": SHARED,
    "outside_support": TOKENS,
}
SHARES = frozenset({"tail_f2", "clip_rate", "outside_support"})  # counts of events among tokens
COLUMNS = (TOKENS, SHARED, *ESTIMATES)


@dataclass(frozen=True, slots=True)
class ClipRange:
    """The user's PPO clip range: a ratio outside [1 - low, 1 + high] is clipped."""

    low: float = 0.2
    high: float = 0.2


@dataclass(frozen=True, slots=True)
class PromptSums:
    """All that is kept of a comparison.

    Attributes:
        sums: float64, shape (prompts, len(COLUMNS)): per prompt the sum over its tokens of each column.
        p99_abs, max_abs: tail of |d| over tokens both sides support, nats.
        ess: effective sample size as a share, (sum r)^2 / (N sum r^2) with r = exp d.
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
    sampler: Floats, other: Floats, prompts: Integers, *, clip: ClipRange, policy_is_other: bool
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

    Raises:
        EngineError: a logprob is not a number.
        ValueError: the arrays differ in length.
    """
    if not len(sampler) == len(other) == len(prompts):
        raise ValueError(f"{len(sampler)}, {len(other)} and {len(prompts)} values do not align")
    if len(prompts) and np.any(prompts[1:] < prompts[:-1]):
        order = np.argsort(prompts, kind="stable")
        sampler, other, prompts = sampler[order], other[order], prompts[order]
    first = _run_starts(prompts)
    sums = np.zeros((len(first), len(COLUMNS)))
    distance = np.empty(len(sampler))
    kept = 0
    ratios = _RatioSums()
    row = 0
    for start in range(0, len(sampler), _CHUNK):
        stop = min(start + _CHUNK, len(sampler))
        runs = _run_starts(prompts[start:stop])
        if start and prompts[start] != prompts[start - 1]:
            row += 1
        columns, d = _columns(
            sampler[start:stop], other[start:stop], clip=clip, policy_is_other=policy_is_other
        )
        for index, column in enumerate(columns):
            sums[row : row + len(runs), index] += np.add.reduceat(column, runs)
        row += len(runs) - 1
        np.abs(d, out=distance[kept : kept + len(d)])
        kept += len(d)
        ratios.add(d)
    distance = distance[:kept]
    return PromptSums(
        sums=sums,
        max_abs=float(distance.max()) if kept else 0.0,
        p99_abs=float(np.quantile(distance, 0.99, overwrite_input=True)) if kept else 0.0,
        ess=ratios.effective_share(),
    )


def _columns(
    sampler: Floats, other: Floats, *, clip: ClipRange, policy_is_other: bool
) -> tuple[list[Floats], Floats]:
    """The columns of one chunk in the order of COLUMNS, and d of the tokens both sides support."""
    if np.isnan(sampler).any() or np.isnan(other).any():
        raise EngineError(
            "an engine reported logprobs that are not numbers",
            hint="look for NaN in the checkpoint or its dtype",
        )
    sampler_supports, other_supports = np.isfinite(sampler), np.isfinite(other)
    shared = sampler_supports & other_supports
    everywhere = bool(shared.all())
    d = other - sampler if everywhere else np.where(shared, other, 0.0) - np.where(shared, sampler, 0.0)
    with np.errstate(over="ignore"):
        growth = np.expm1(d)  # exp(d) - 1 without cancellation near 0
    policy = d if policy_is_other else -d
    low = np.log1p(-clip.low) if clip.low < 1 else -np.inf
    clipped = (policy < low) | (policy > np.log1p(clip.high))
    magnitude = np.abs(d)
    columns = [
        np.ones(len(d)),
        shared.astype(np.float64),
        magnitude,
        growth,
        -d,
        np.square(d) / 2,
        growth - d,
        (magnitude > _F2).astype(np.float64),
        clipped.astype(np.float64),
        (sampler_supports ^ other_supports).astype(np.float64),
    ]
    return columns, d if everywhere else d[shared]


def _run_starts(prompts: Integers) -> Integers:
    """Where each run of equal values starts."""
    if not len(prompts):
        return np.zeros(0, dtype=np.int64)
    return np.concatenate(([0], np.flatnonzero(prompts[1:] != prompts[:-1]) + 1)).astype(np.int64)


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


def summarise(sums: PromptSums, bootstrap: Bootstrap) -> Metrics:
    """The metrics of one comparison with their 95% intervals."""

    def estimate(name: str) -> Estimate:
        low, high = bootstrap.interval(name)
        return Estimate(bootstrap.value(name), low, high)

    return Metrics(
        mean_abs=estimate("mean_abs"),
        p99_abs=sums.p99_abs,
        max_abs=sums.max_abs,
        mean_ratio_deviation=estimate("mean_ratio_deviation"),
        k1=estimate("k1"),
        k2=estimate("k2"),
        k3=estimate("k3"),
        tail_f2=estimate("tail_f2"),
        clip_rate=estimate("clip_rate"),
        ess=sums.ess,
        outside_support=estimate("outside_support"),
        tokens=int(sums.total(TOKENS)),
        prompts=len(sums.sums),
    )
