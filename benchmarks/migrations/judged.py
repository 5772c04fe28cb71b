"""What the judge found, run by run: the child's answers turned into figures and problems."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tolerance import TOLERANCES, Tolerance

if TYPE_CHECKING:
    from rollouts import Rollout

    from vllm_migrate.engines.environment import EngineEnvironment

_CHILD = Path(__file__).resolve().with_name("judge_child.py")


class JudgeError(Exception):
    """The judge itself failed; says nothing about the project."""


@dataclass(frozen=True)
class Scored:
    """A rollout with the judge's figures, one a token.

    Attributes:
        distance: |reported - expected|, beyond what the kept set's edge leaves open; None without logprobs.
        from_raw, from_stale: distance from the plain softmax, and from the previous weights; name causes.
        outside: tokens V0 would not have sampled at all.
        behind: how far the token's log-probability lies below the most likely token's.
    """

    rollout: Rollout
    distance: list[float] | None
    from_raw: list[float] | None
    from_stale: list[float] | None
    outside: int
    behind: list[float]


@dataclass(frozen=True)
class Numerics:
    """The distances of a run, as figures.

    Attributes:
        tokens: how many have a logprob.
        mean, p99, largest: of the distance.
        far: share of tokens beyond the tolerance's `far`.
        outside: share of tokens V0 would not have sampled.
        raw_mean, stale_mean: mean distance from the plain softmax, and after a sync from the old weights.
        synced_mean: mean distance of rollouts sampled after a sync.
    """

    tokens: int
    mean: float | None
    p99: float | None
    largest: float | None
    far: float
    outside: float
    raw_mean: float | None
    stale_mean: float | None
    synced_mean: float | None


def score(
    rollouts: list[Rollout], path: Path, model: Path, dtype: str, engine: EngineEnvironment
) -> list[Scored]:
    """Have the judge score what a run wrote.

    Raises:
        JudgeError: it ended badly.
    """
    weights = {
        str(version): str(path.with_name(f"weights_{version}.safetensors"))
        for version in range(1, max(r.version for r in rollouts) + 1)
    }
    request = {
        "model": str(model),
        "rollouts": str(path),
        "weights": weights,
        "slack": TOLERANCES[dtype].slack,
    }
    done = subprocess.run(
        [str(engine.python), str(_CHILD)],
        input=json.dumps(request),
        env=engine.variables(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise JudgeError(done.stderr.strip()[-2000:])
    return [_scored(r, answer) for r, answer in zip(rollouts, json.loads(done.stdout), strict=True)]


def _scored(rollout: Rollout, answer: dict[str, list[float]]) -> Scored:
    reported = rollout.logprobs
    outside = sum(value == -math.inf for value in answer["high"])
    distances: dict[str, list[float] | None] = {"": None, "stale ": None}
    raw = None
    if reported is not None:
        for prefix in distances:
            if prefix + "low" in answer:
                between = zip(reported, answer[prefix + "low"], answer[prefix + "high"], strict=True)
                distances[prefix] = [_beyond(value, low, high) for value, low, high in between]
        raw = [abs(value - plain) for value, plain in zip(reported, answer["raw"], strict=True)]
    behind = [best - got for best, got in zip(answer["best"], answer["expected"], strict=True)]
    return Scored(rollout, distances[""], raw, distances["stale "], outside, behind)


def _beyond(value: float, low: float, high: float) -> float:
    """Distance from `[low, high]`; infinite for what can't be sampled or is no number."""
    if not math.isfinite(value) or high == -math.inf:
        return 0.0 if value == high else math.inf
    return max(low - value, value - high, 0.0)


def numerics(scored: list[Scored], tolerance: Tolerance) -> Numerics:
    """The figures of a run."""
    distances = [value for entry in scored for value in entry.distance or ()]
    finite = sorted(value for value in distances if math.isfinite(value))
    tokens = sum(len(entry.rollout.token_ids) for entry in scored)
    synced = [value for entry in scored if entry.rollout.version for value in entry.distance or ()]
    stale = [value for entry in scored for value in entry.from_stale or ()]
    raw = [value for entry in scored for value in entry.from_raw or ()]
    return Numerics(
        tokens=len(distances),
        mean=_mean(finite),
        p99=finite[int(0.99 * (len(finite) - 1))] if finite else None,
        largest=finite[-1] if finite else None,
        far=sum(value > tolerance.far for value in distances) / max(len(distances), 1),
        outside=sum(entry.outside for entry in scored) / max(tokens, 1),
        raw_mean=_mean(raw),
        stale_mean=_mean(stale),
        synced_mean=_mean(synced),
    )


def problems(found: Numerics, tolerance: Tolerance) -> list[str]:
    """What is wrong with the logprobs, in words; empty where they are consistent."""
    wrong = []
    if found.mean is not None and found.mean > tolerance.mean:
        nearest = ""
        if found.raw_mean is not None and found.raw_mean < tolerance.mean:
            nearest = " (they are those of the plain softmax)"
        wrong.append(f"logprobs are {found.mean:.2g} off on average{nearest}")
    elif found.far > tolerance.share:
        wrong.append(f"{found.far:.1%} of logprobs are off by more than {tolerance.far:g}")
    if found.outside > tolerance.share:
        wrong.append(f"{found.outside:.1%} of tokens can't be sampled under the settings")
    return wrong


def as_row(found: Numerics) -> dict[str, float | None]:
    """For the results, rounded to what can be read."""
    return {
        key: None if value is None else float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in asdict(found).items()
    }


def _mean(values: list[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None
