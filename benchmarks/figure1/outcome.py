"""What training did, from the committed results: curves, the reference's band, who left it, and ranks."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from run import RESULTS

from vllm_migrate.statistics.distributions import student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FIGURE = ("clip_rate", "kl_new_old", "entropy", "reward")
LAST = 5
"""Steps at the end whose mean is the final figure."""
NEIGHBOURS = 2
"""Steps to either side whose spread is pooled with a step's own: five seeds alone tell little of a spread."""
LEVEL = 0.05
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Curves:
    """One arm under one objective: of each metric a row a seed, a value a step."""

    arm: str
    objective: str
    seeds: tuple[str, ...]
    of: dict[str, list[list[float]]]

    def mean(self, metric: str) -> list[float]:
        """Over seeds, by step."""
        return [mean(values) for values in zip(*self.of[metric], strict=True)]

    def final(self, metric: str) -> list[float]:
        """Mean of the last steps, by seed."""
        return [mean(row[-LAST:]) for row in self.of[metric]]

    def whole(self, metric: str) -> list[float]:
        """Mean of all steps, by seed."""
        return [mean(row) for row in self.of[metric]]


def load(folder: Path = RESULTS) -> dict[tuple[str, str], Curves]:
    """Every committed arm by name and objective."""
    found: dict[tuple[str, str], Curves] = {}
    for path in sorted(folder.glob("*-g?po.json")):
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        arm, _, objective = path.stem.rpartition("-")
        seeds = tuple(kept["seeds"])
        metrics = kept["seeds"][seeds[0]]
        found[arm, objective] = Curves(
            arm, objective, seeds, {name: [kept["seeds"][seed][name] for seed in seeds] for name in metrics}
        )
    return found


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Unbiased, of at least two."""
    centre = mean(values)
    return sum((value - centre) ** 2 for value in values) / (len(values) - 1)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of a few seeds and Student's 95% interval; no interval of one."""
    if len(values) == 1:
        return values[0], math.nan, math.nan
    half = student_t_quantile(0.975, len(values) - 1) * math.sqrt(variance(values) / len(values))
    return mean(values), mean(values) - half, mean(values) + half


def band(reference: Curves, metric: str, seeds: int) -> list[tuple[float, float]]:
    """By step, where the mean of `seeds` more seeds of the reference would lie.

    Student's interval with the spread of neighbouring steps pooled, at a level that leaves a 5% chance in all
    for any step of any of the figure's metrics (Bonferroni).
    """
    rows = reference.of[metric]
    steps = len(rows[0])
    spreads = [variance([row[step] for row in rows]) for step in range(steps)]
    centre = reference.mean(metric)
    level = 1 - LEVEL / (2 * steps * len(FIGURE))
    found = []
    for step in range(steps):
        near = spreads[max(0, step - NEIGHBOURS) : step + NEIGHBOURS + 1]
        width = student_t_quantile(level, len(near) * (len(rows) - 1))
        half = width * math.sqrt(mean(near) * (1 / len(rows) + 1 / seeds))
        found.append((centre[step] - half, centre[step] + half))
    return found


@dataclass(frozen=True, slots=True)
class Exit:
    """The first step at which an arm's mean lies outside the reference's band, and where."""

    step: int
    metric: str
    above: bool


def first_exit(arm: Curves, reference: Curves, metrics: Sequence[str] = FIGURE) -> Exit | None:
    """Over the figure's metrics; of several at one step, the one farthest out in widths of the band."""
    found: list[tuple[int, float, Exit]] = []
    for metric in metrics:
        bounds = band(reference, metric, len(arm.seeds))
        for step, (value, (low, high)) in enumerate(zip(arm.mean(metric), bounds, strict=True)):
            if not low <= value <= high:
                out = max(low - value, value - high) / max(high - low, 1e-12)
                found.append((step, -out, Exit(step, metric, value > high)))
                break
    return min(found, key=lambda entry: entry[:2])[2] if found else None


def ranks(values: Sequence[float]) -> list[float]:
    """From 1; those that are equal share the mean of theirs."""
    return [
        1 + sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2
        for value in values
    ]


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; nan where either has but one value."""
    a, b = ranks(first), ranks(second)
    centre = (len(a) + 1) / 2
    together = sum((x - centre) * (y - centre) for x, y in zip(a, b, strict=True))
    apart = math.sqrt(sum((x - centre) ** 2 for x in a) * sum((y - centre) ** 2 for y in b))
    return together / apart if apart else math.nan


def resampled_spearman(
    predicted: Sequence[float], harm: Sequence[Sequence[float]], *, seed: int = 0
) -> tuple[float, float, float]:
    """Rank correlation of a prediction by arm with the mean of each arm's seeds, and a 95% interval.

    The interval is the bootstrap's over arms and, within each, over its seeds.
    """
    source = random.Random(seed)  # noqa: S311 - resampling, no secret
    point = spearman(predicted, [mean(values) for values in harm])
    drawn = []
    for _ in range(RESAMPLES):
        chosen = source.choices(range(len(harm)), k=len(harm))
        again = [mean(source.choices(harm[index], k=len(harm[index]))) for index in chosen]
        value = spearman([predicted[index] for index in chosen], again)
        if not math.isnan(value):
            drawn.append(value)
    drawn.sort()
    return point, drawn[int(0.025 * len(drawn))], drawn[int(0.975 * len(drawn)) - 1]
