"""What training did, from the committed results: curves, figures with intervals, and ranks."""

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
