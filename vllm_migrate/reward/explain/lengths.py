"""Reward against length among equals: completions of one prompt that are equally right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.answers.second import opinions_of
from vllm_migrate.reward.explain.ranks import rank_correlation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.explain.ranks import Correlation

_KNOWN = 0.5  # share of samples that must be known to be right or wrong for correctness to be held fixed


def correlations(bench: Bench, usable: NDArray[np.int64]) -> tuple[Correlation | None, Correlation | None]:
    """Rho within prompts, and there among equally right completions (None where that isn't known)."""
    lengths, values, prompts = lengths_of(bench)[usable], bench.values[usable], bench.groups[usable]
    raw = rank_correlation(lengths, values, prompts, prompts, seed=bench.seed)
    if not fixes_correctness(bench):
        return raw, None
    cells, known = cells_of(bench)
    kept = known[usable]
    return raw, rank_correlation(
        lengths[kept], values[kept], cells[usable][kept], prompts[kept], seed=bench.seed
    )


def cells_of(bench: Bench) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The cell of each sample (its prompt, and whether it is right), and whether that is known."""
    if _judged_by_others(bench):
        opinions = opinions_of(bench)
        known = np.array([index in opinions for index in range(len(bench.samples))])
        right = np.array([index in opinions and opinions[index].right for index in range(len(known))])
    elif bench.is_verifier:
        known = np.isfinite(bench.values)
        right = bench.values > (bench.top + bench.bottom) / 2
    else:
        known = np.ones(len(bench.samples), dtype=bool)
        right = np.zeros(len(bench.samples), dtype=bool)
    return bench.groups * 2 + right, known


def _judged_by_others(bench: Bench) -> bool:
    return len(opinions_of(bench)) >= _KNOWN * max(1, len(bench.samples))


def fixes_correctness(bench: Bench) -> bool:
    """Whether it is known what is right: by a verifier of our own, or by the reward where it is one."""
    return _judged_by_others(bench) or bench.is_verifier


def lengths_of(bench: Bench) -> NDArray[np.float64]:
    """Characters of each completion, shape (samples,)."""
    return np.array([len(sample.completion) for sample in bench.samples], dtype=np.float64)
