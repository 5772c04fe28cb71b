"""Where the candidate differs by kind of prompt: bands of prompt lengths, and prompts that begin alike.

Reported and never gating, as the other bands. Each interval is over the stratum's own prompts, since what is
resampled is the prompts that it holds; a stratum of one prompt has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import bootstrap_ratios
from vllm_migrate.audit.figures.metrics import run_starts
from vllm_migrate.audit.sections import Band
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.trace.model import Prompt

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MOST_PREFIXES = 8
"""Shared prefixes with a row of their own; those of fewer tokens have one together."""


def measure_strata(
    sampler: Floats, other: Floats, prompts: Integers, described: Sequence[Prompt], *, seed: int = 0
) -> tuple[Band, ...]:
    """Mean |d| and k2 by stratum and by shared prefix, each only where there is more than one kind.

    Args:
        sampler: logprob of each token under the side that drew it, nats.
        other: under the other side; infinite ones are left out.
        prompts: the prompt of each token, ascending.
        described: the prompts.
        seed: of the resampling.
    """
    if not len(sampler):
        return ()
    finite = np.isfinite(sampler) & np.isfinite(other)
    d = np.where(finite, other, 0.0) - np.where(finite, sampler, 0.0)
    runs = run_starts(prompts)
    columns = (np.abs(d), np.square(d) / 2, finite.astype(np.float64))
    sums = np.column_stack([np.add.reduceat(column, runs) for column in columns])
    rows = {int(prompt): row for prompt, row in zip(prompts[runs], sums, strict=True) if row[2]}
    present = [prompt for prompt in described if prompt.id in rows]
    found: list[Band] = []
    for by, kinds in (("stratum", _strata(present)), ("prefix", _prefixes(present, rows))):
        if len(kinds) > 1:
            found += _bands(by, kinds, rows, seed)
    return tuple(found)


def _strata(present: Sequence[Prompt]) -> dict[str, list[Prompt]]:
    """Prompts by their band of lengths, the shortest band first."""
    by_length = sorted(present, key=lambda prompt: len(prompt.token_ids))
    kinds: dict[str, list[Prompt]] = {}
    for prompt in by_length:
        if prompt.stratum:
            kinds.setdefault(prompt.stratum, []).append(prompt)
    return kinds


def _prefixes(present: Sequence[Prompt], rows: Mapping[int, Floats]) -> dict[str, list[Prompt]]:
    """Prompts by the prefix that they share, the one of most tokens first, those without any last."""
    groups: dict[int, list[Prompt]] = {}
    alone = []
    for prompt in present:
        if prompt.group < 0:
            alone.append(prompt)
        else:
            groups.setdefault(prompt.group, []).append(prompt)
    ordered = sorted(groups.values(), key=lambda members: -sum(rows[p.id][2] for p in members))
    kinds = {
        f"prefix of prompts {_listed(members)}": members
        for members in sorted(ordered[:MOST_PREFIXES], key=lambda members: members[0].id)
    }
    if rest := [prompt for members in ordered[MOST_PREFIXES:] for prompt in members]:
        kinds[f"{len(ordered) - MOST_PREFIXES} other prefixes, {_prompts(len(rest))}"] = rest
    if alone and kinds:
        kinds[f"shared with none, {_prompts(len(alone))}"] = alone
    return kinds


def _listed(members: Sequence[Prompt], most: int = 3) -> str:
    shown = ", ".join(str(prompt.id) for prompt in members[:most])
    return shown if len(members) <= most else f"{shown} and {len(members) - most} more"


def _prompts(count: int) -> str:
    return "1 prompt" if count == 1 else f"{count} prompts"


def _bands(
    by: str, kinds: Mapping[str, Sequence[Prompt]], rows: Mapping[int, Floats], seed: int
) -> Iterator[Band]:
    for label, members in kinds.items():
        sums = np.array([rows[prompt.id] for prompt in members])
        point = sums[:, :2].sum(axis=0) / sums[:, 2].sum()
        low: list[float | None] = [None, None]
        high: list[float | None] = [None, None]
        if len(members) > 1:
            draws = bootstrap_ratios(sums[:, :2], sums[:, [2, 2]], seed=seed)
            bounds = np.quantile(draws, (0.025, 0.975), axis=0)
            low, high = [max(float(v), 0.0) for v in bounds[0]], [float(v) for v in bounds[1]]
        lengths = [len(prompt.token_ids) for prompt in members]
        yield Band(
            by=by,
            label=label,
            tokens=int(sums[:, 2].sum()),
            mean_abs=Estimate(float(point[0]), low[0], high[0]),
            k2=Estimate(float(point[1]), low[1], high[1]),
            low=float(min(lengths)) if by == "stratum" else None,
            high=float(max(lengths) + 1) if by == "stratum" else None,
        )
