"""Figures that are reported beside the gating metrics and never gate.

Each is a function of sums over prompts, so that one resampling of prompts gives all their intervals. A figure
is notable where it lies beyond its limit (`thresholds.toml`, `diagnostics.*`) by Benjamini and Hochberg's
procedure over all of them, at a false discovery rate of 5%.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import (
    RESAMPLES,
    benjamini_hochberg,
    resample_sums,
    spread_correction,
)
from vllm_migrate.audit.figures.metrics import run_starts
from vllm_migrate.audit.figures.top_k import TopK, compare_top
from vllm_migrate.audit.sections import Diagnostic
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.decide.thresholds import Watch
    from vllm_migrate.trace.model import Rollout
    from vllm_migrate.workers.protocol import ReplayRecord

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Figure = Callable[[Floats], Floats]
    """From sums, shape (resamples, columns), to values, shape (resamples,)."""

RATE = 0.05
_CONFIDENT = -0.6931471805599453  # log of one half
_FAR = -2.0  # nats


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure before the others are known: its estimate and resamples."""

    metric: str
    estimate: Estimate
    draws: Floats
    unit: str
    note: str = ""


def measure(
    metric: str, sums: Floats, figure: Figure, *, unit: str = "", note: str = "", seed: int = 0
) -> Measured | None:
    """A figure with its 95% interval; None where there is nothing to compute it from."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if not len(sums):
            return None
        value = float(figure(sums.sum(axis=0)[None, :])[0])
        if not np.isfinite(value):
            return None
        if len(sums) < 2:  # noqa: PLR2004 - one prompt has no spread
            return Measured(metric, Estimate(value), np.zeros(0), unit, note)
        resampled, clusters = resample_sums(sums, resamples=RESAMPLES, seed=seed)
        draws = figure(resampled)
    draws = value + (draws - value) * spread_correction(clusters)
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return Measured(metric, Estimate(value), draws, unit, note)
    low, high = (float(v) for v in np.quantile(draws, (0.025, 0.975)))
    return Measured(metric, Estimate(value, low, high), draws, unit, note)


def _ratio(numerator: int, denominator: int) -> Figure:
    return lambda sums: sums[:, numerator] / sums[:, denominator]


def of_tokens(sampler: Floats, other: Floats, prompts: Integers, *, seed: int = 0) -> list[Measured]:
    """Figures of aligned logprobs; arguments as in `metrics.reduce_tokens`, prompts ascending."""
    finite = np.isfinite(sampler) & np.isfinite(other)
    if not finite.any():
        return []
    confident_lost = (sampler >= _CONFIDENT) & (other - np.where(np.isfinite(sampler), sampler, 0.0) <= _FAR)
    d = np.where(finite, other, 0.0) - np.where(finite, sampler, 0.0)
    present = finite.astype(np.float64)
    with np.errstate(over="ignore"):
        ratio = np.exp(d) * present
    p, q = np.exp(sampler), np.exp(other)
    columns = (
        present,
        np.exp(np.abs(d)) * present,
        ratio,
        np.square(ratio),
        -d,
        p,
        q,
        p * p,
        q * q,
        p * q,
        confident_lost.astype(np.float64),
        np.ones(len(d)),
    )
    runs = run_starts(prompts)
    sums = np.column_stack([np.add.reduceat(column, runs) for column in columns])
    figures: tuple[tuple[str, Figure, str], ...] = (
        ("mult_prob_error", _ratio(1, 0), ""),
        ("ess", lambda s: np.square(s[:, 2]) / (s[:, 0] * s[:, 3]), ""),
        ("perplexity_ratio", lambda s: np.exp(s[:, 4] / s[:, 0]), ""),
        ("probability_correlation", _correlation, ""),
        ("confident_disagreement", _ratio(10, 11), "share of tokens"),
    )
    found = [measure(name, sums, figure, unit=unit, seed=seed) for name, figure, unit in figures]
    return [figure for figure in found if figure is not None]


def _correlation(sums: Floats) -> Floats:
    """Pearson's, of the probabilities that both sides give the sampled tokens."""
    n, p, q, pp, qq, pq = (sums[:, i] for i in (11, 5, 6, 7, 8, 9))
    spread = (pp - p * p / n) * (qq - q * q / n)
    return (pq - p * q / n) / np.sqrt(spread)


def top_of(rollouts: Sequence[Rollout], records: Sequence[ReplayRecord]) -> tuple[TopK, Integers]:
    """The most likely tokens of both sides, position by position, and the prompt of each position."""
    pairs = [
        (rollout, record)
        for rollout, record in zip(rollouts, records, strict=True)
        if rollout.top_ids and len(record.top_ids) == len(rollout.top_ids)
    ]
    compared = compare_top(
        [row for rollout, _ in pairs for row in rollout.top_ids],
        [row for rollout, _ in pairs for row in rollout.top_logprobs],
        [row for _, record in pairs for row in record.top_ids],
        [row for _, record in pairs for row in record.top_logprobs],
    )
    prompts = np.repeat(
        np.array([rollout.prompt for rollout, _ in pairs], dtype=np.int64),
        np.array([len(rollout.top_ids) for rollout, _ in pairs], dtype=np.int64),
    )
    return compared, prompts


def of_top(compared: TopK, prompts: Integers, *, seed: int = 0) -> list[Measured]:
    """Exact KL(reference || candidate) and entropy shift, over the positions that have most likely tokens."""
    if not len(prompts):
        return []
    fine = np.isfinite(compared.kl).astype(np.float64)
    kl = np.where(fine > 0, compared.kl, 0.0)
    runs = run_starts(prompts)
    columns = (kl, fine, compared.entropy_shift, np.ones(len(prompts)))
    sums = np.column_stack([np.add.reduceat(column, runs) for column in columns])
    note = f"{len(prompts)} positions, {compared.uncovered.mean():.2%} of the probability not token by token"
    found = (
        measure("top_k_kl", sums, _ratio(0, 1), unit="nats", note=note, seed=seed),
        measure("entropy_shift", sums, _ratio(2, 3), unit="nats", note=note, seed=seed),
    )
    return [figure for figure in found if figure is not None]


def of_rollouts(
    reference: Sequence[Rollout], candidate: Sequence[Rollout], *, seed: int = 0
) -> list[Measured]:
    """How the lengths of freely sampled completions, and how they end, differ; paired by prompt."""
    ours, theirs = _by_prompt(reference), _by_prompt(candidate)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return []
    before, after = (np.array([side[prompt] for prompt in shared]) for side in (ours, theirs))
    sums = np.column_stack([after - before, before, np.ones(len(shared))])  # length, finish | same | 1
    found = (
        measure("length_shift", sums, _ratio(0, 2), unit="of the reference's mean length", seed=seed),
        measure("finish_length_shift", sums, _ratio(1, 4), unit="share of completions", seed=seed),
    )
    return [figure for figure in found if figure is not None]


def _by_prompt(rollouts: Sequence[Rollout]) -> dict[int, tuple[float, float]]:
    """Mean length, and share of completions cut at the limit, by prompt."""
    kept: dict[int, list[tuple[float, float]]] = {}
    for rollout in rollouts:
        cut = float(rollout.finish_reason == "length")
        kept.setdefault(rollout.prompt, []).append((float(len(rollout.token_ids)), cut))
    return {
        prompt: (sum(a for a, _ in values) / len(values), sum(b for _, b in values) / len(values))
        for prompt, values in kept.items()
    }


def conclude_diagnostics(measured: Sequence[Measured], limits: Mapping[str, Watch]) -> tuple[Diagnostic, ...]:
    """The figures with their limits, and which are notable."""
    p_values = {
        figure.metric: _p_beyond(figure, limits[figure.metric])
        for figure in measured
        if figure.metric in limits and len(figure.draws)
    }
    notable = benjamini_hochberg(p_values, RATE)
    return tuple(
        Diagnostic(
            metric=figure.metric,
            estimate=figure.estimate,
            unit=figure.unit,
            warn=_nearest(figure, limits.get(figure.metric)),
            source=limits[figure.metric].source if figure.metric in limits else "",
            notable=figure.metric in notable,
            note=figure.note,
        )
        for figure in measured
    )


def _p_beyond(figure: Measured, limit: Watch) -> float:
    """One-sided p-value against "within the limits": of the side that is farther out."""
    contradicting = []
    if limit.high is not None:
        contradicting.append(int((figure.draws <= limit.high).sum()))
    if limit.low is not None:
        contradicting.append(int((figure.draws >= limit.low).sum()))
    return (1 + min(contradicting)) / (1 + len(figure.draws)) if contradicting else 1.0


def _nearest(figure: Measured, limit: Watch | None) -> float | None:
    """The limit on the figure's side."""
    if limit is None:
        return None
    given = [edge for edge in (limit.low, limit.high) if edge is not None]
    return min(given, key=lambda edge: abs(edge - figure.estimate.value), default=None)
