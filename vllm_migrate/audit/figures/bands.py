"""Where the candidate differs: by position, by probability, by completion length, and prompt by prompt.

Reported and never gating. Intervals are clustered by prompt as everywhere; those of single prompts are over
the prompt's samples.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import bootstrap_ratios
from vllm_migrate.audit.figures.metrics import run_starts
from vllm_migrate.audit.sections import Band, PromptShift
from vllm_migrate.statistics.distributions import student_t_quantile
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

POSITIONS = (0, 16, 64, 256, 1024, 4096, math.inf)
LENGTHS = (0, 64, 256, 1024, 4096, math.inf)
PROBABILITIES = (0.0, 0.01, 0.1, 0.5, 0.9, math.inf)


def measure_bands(
    sampler: Floats, other: Floats, prompts: Integers, lengths: Sequence[int], *, seed: int = 0
) -> tuple[Band, ...]:
    """Mean |d| and k2 by band, bands without a token left out.

    Args:
        sampler: logprob of each token under the side that drew it, nats.
        other: under the other side; infinite ones are left out.
        prompts: the prompt of each token, ascending.
        lengths: tokens of each sequence, in the tokens' order.
        seed: of the resampling.
    """
    if not len(sampler):
        return ()
    length = np.repeat(np.asarray(lengths, dtype=np.int64), lengths)
    position = np.concatenate([np.arange(count) for count in lengths])
    finite = np.isfinite(sampler) & np.isfinite(other)
    d = np.where(finite, other, 0.0) - np.where(finite, sampler, 0.0)
    runs = run_starts(prompts)
    found = []
    columns = []
    for by, values, edges in (
        ("position", position, POSITIONS),
        ("probability", np.exp(sampler), PROBABILITIES),
        ("length", length, LENGTHS),
    ):
        which = np.searchsorted(edges, values, side="right") - 1
        for band in range(len(edges) - 1):
            inside = finite & (which == band)
            count = int(inside.sum())
            if not count:
                continue
            weights = inside.astype(np.float64)
            sums = [
                np.add.reduceat(x * weights, runs) for x in (np.abs(d), np.square(d) / 2, np.ones(len(d)))
            ]
            columns.append(np.column_stack(sums))
            found.append((by, edges[band], edges[band + 1], count))
    if not found:
        return ()
    numerators = np.concatenate([c[:, :2] for c in columns], axis=1)
    denominators = np.concatenate([c[:, [2, 2]] for c in columns], axis=1)
    point = numerators.sum(axis=0) / denominators.sum(axis=0)
    draws = bootstrap_ratios(numerators, denominators, seed=seed)
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    estimates = [
        Estimate(float(v), max(float(a), 0.0), float(b)) for v, a, b in zip(point, low, high, strict=True)
    ]
    return tuple(
        Band(
            by=by,
            label=_label(by, start, stop),
            tokens=count,
            mean_abs=estimates[2 * index],
            k2=estimates[2 * index + 1],
            low=float(start),
            high=None if math.isinf(stop) else float(stop),
        )
        for index, (by, start, stop, count) in enumerate(found)
    )


def _label(by: str, start: float, stop: float) -> str:
    if by == "probability":
        return f"{start:g} and more" if math.isinf(stop) else f"{start:g} to {stop:g}"
    return f"{start:g} and more" if math.isinf(stop) else f"{start:g} to {stop - 1:g}"


def measure_prompts(
    sampler: Floats, other: Floats, prompts: Sequence[int], lengths: Sequence[int]
) -> tuple[PromptShift, ...]:
    """Mean signed d of every prompt.

    The interval is that of a ratio of sums over the prompt's sequences (tokens of one sequence are not
    independent), with Student's t; a prompt with one sequence has none.

    Args:
        sampler: as in `measure_bands`.
        other: the same.
        prompts: the prompt of each sequence.
        lengths: tokens of each sequence.
    """
    if not lengths:
        return ()
    finite = np.isfinite(sampler) & np.isfinite(other)
    d = np.where(finite, other, 0.0) - np.where(finite, sampler, 0.0)
    ends = np.concatenate(([0], np.cumsum(lengths)))
    sums = np.array([d[a:b].sum() for a, b in pairwise(ends)])
    counts = np.array([finite[a:b].sum() for a, b in pairwise(ends)], dtype=np.float64)
    found = []
    of_prompt = np.asarray(prompts)
    for prompt in dict.fromkeys(prompts):
        mine = (of_prompt == prompt) & (counts > 0)
        total = counts[mine].sum()
        if not total:
            continue
        mean = float(sums[mine].sum() / total)
        sequences = int(mine.sum())
        low = high = None
        if sequences > 1:
            residual = sums[mine] - mean * counts[mine]
            error = math.sqrt(float(residual @ residual) * sequences / (sequences - 1)) / total
            half = student_t_quantile(0.975, sequences - 1) * error
            low, high = mean - half, mean + half
        found.append(PromptShift(int(prompt), Estimate(mean, low, high), int(total)))
    return tuple(found)
