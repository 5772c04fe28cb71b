"""Does `watch` raise false alarms, and how soon does it tell a departure? Simulated runs, truth known.

A comparison has four metrics, correlated with each other by 0.5, with noise of one kind round a common
curve.
Without a departure at most 5% of the comparisons may end in "left": of finished runs, and of runs that are
followed and judged at every look. With a departure (all metrics, from half of the run on, as a step or a ramp
over 20 steps) the share that is told, the steps until it is told and the error of the step that is named are
printed. Sizes are in standard deviations of one run's noise.

Usage: watch_calibration.py [comparisons]
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from shares import interval

from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.compare import Settings, compare
from vllm_migrate.watch.follow import GROWTH, share_of_look
from vllm_migrate.watch.run import Run, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COMPARISONS = 100
METRICS = ("clip_rate", "kl_old", "entropy", "reward")
COMMON = 0.5
MOST = 0.05
RAMP = 20
SETTINGS = Settings(own={name: name for name in METRICS}, only=METRICS)
RESULT = Path(__file__).parent / "results" / "watch_calibration.json"


@dataclass(frozen=True)
class Noise:
    """AR(1) with coefficient `phi`; a share `white` of the variance has no memory.

    Attributes:
        tail: degrees of freedom of Student's t for the innovations; 0 for Gaussian ones.
        growth: how much larger the noise is at the end than at the beginning.
    """

    name: str
    phi: float
    white: float = 0.0
    tail: int = 0
    growth: float = 1.0


NOISES = (
    Noise("white", 0.0),
    Noise("AR 0.5", 0.5),
    Noise("AR 0.8", 0.8),
    Noise("AR 0.9", 0.9),
    Noise("AR 0.9 under white", 0.9, white=0.5),
    Noise("AR 0.5, t(3)", 0.5, tail=3),
    Noise("AR 0.5, growing fourfold", 0.5, growth=4.0),
)
LAYOUTS = ((1, 1), (3, 1), (3, 3), (5, 5))


def runs(generator: np.random.Generator, noise: Noise, count: int, steps: int) -> Floats:
    """Noise of standard deviation 1, shape (runs, metrics, steps)."""
    burn = 200
    shape = (burn + steps, count, len(METRICS) + 1)
    shocks = (
        generator.standard_t(noise.tail, shape) / 3**0.5 if noise.tail else generator.standard_normal(shape)
    )
    mixed = np.sqrt(COMMON) * shocks[..., :1] + np.sqrt(1 - COMMON) * shocks[..., 1:]
    made = np.empty_like(mixed)
    made[0] = mixed[0]
    for step in range(1, len(made)):
        made[step] = noise.phi * made[step - 1] + np.sqrt(1 - noise.phi**2) * mixed[step]
    made = made[burn:]
    made = np.sqrt(1 - noise.white) * made + np.sqrt(noise.white) * generator.standard_normal(made.shape)
    made *= np.geomspace(1, noise.growth, steps)[:, None, None]
    return np.moveaxis(made, 0, -1)


def sides(
    generator: np.random.Generator, noise: Noise, layout: tuple[int, int], steps: int, shift: Floats
) -> tuple[list[Run], list[Run]]:
    """Runs of both sides round a curve that rises; the candidates shifted."""
    found = runs(generator, noise, sum(layout), steps)
    found += 10 / (1 + np.exp(-np.linspace(-4, 4, steps)))
    found[layout[0] :] += shift
    at = np.arange(1.0, steps + 1)
    made = [
        Run(str(n), str(n), "made", {name: Series(at, row) for name, row in zip(METRICS, rows, strict=True)})
        for n, rows in enumerate(found)
    ]
    return made[: layout[0]], made[layout[0] :]


def looks(steps: int) -> Iterator[int]:
    """Steps at which a run that is followed is judged; the last look is at its end."""
    at = 30
    while at < steps:
        yield at
        at = int(np.ceil(at * GROWTH))
    yield steps


def cut(run: Run, steps: int) -> Run:
    """The run as it was after so many steps."""
    series = {name: Series(one.steps[:steps], one.values[:steps]) for name, one in run.series.items()}
    return Run(run.name, run.source, run.kind, series)


def followed(references: list[Run], candidates: list[Run], steps: int) -> bool:
    """Whether a run that is followed, and judged at every look, is said to have left."""
    for look, at in enumerate(looks(steps), start=1):
        share = share_of_look(look, last=at == steps)
        sides_then = ([cut(run, at) for run in side] for side in (references, candidates))
        if compare(*sides_then, SETTINGS, share=share).verdict is Verdict.FAIL:
            return True
    return False


def false_alarms(comparisons: int) -> list[dict[str, object]]:
    """Share of comparisons without a departure that end in "left"."""
    rows: list[dict[str, object]] = []
    cells = [(layout, noise, 120) for layout in LAYOUTS[:2] for noise in NOISES]
    cells += [(layout, noise, 120) for layout in LAYOUTS[2:] for noise in NOISES[1:6:2]]
    cells += [((1, 1), noise, steps) for steps in (40, 240) for noise in NOISES[1:4:2]]
    for layout, noise, steps in cells:
        generator = np.random.default_rng(steps + 1000 * sum(layout))
        alarms = sum(
            compare(*sides(generator, noise, layout, steps, np.zeros(steps)), SETTINGS).verdict
            is Verdict.FAIL
            for _ in range(comparisons)
        )
        rows.append(row("finished", layout, noise, steps, alarms=alarms, of=comparisons))
    for layout, noise in (((1, 1), NOISES[1]), ((1, 1), NOISES[3]), ((3, 1), NOISES[1])):
        generator = np.random.default_rng(7)
        alarms = sum(
            followed(*sides(generator, noise, layout, 120, np.zeros(120)), 120) for _ in range(comparisons)
        )
        rows.append(row("followed", layout, noise, 120, alarms=alarms, of=comparisons))
    return rows


def row(
    how: str, layout: tuple[int, int], noise: Noise, steps: int, *, alarms: int, of: int
) -> dict[str, object]:
    """A row of the table, printed."""
    low, high = interval(alarms, of)
    print(
        f"{how:<9} {layout[0]} v {layout[1]}  {noise.name:<26} {steps:>4} steps  "
        f"{alarms:>3} of {of}  [{low:.1%}, {high:.1%}]",
        flush=True,
    )
    return {
        "how": how,
        "references": layout[0],
        "candidates": layout[1],
        "noise": noise.name,
        "steps": steps,
        "alarms": alarms,
        "comparisons": of,
        "low": low,
        "high": high,
    }


def delays(comparisons: int) -> list[dict[str, object]]:
    """How soon departures are told."""
    rows: list[dict[str, object]] = []
    steps, onset = 120, 61
    at = np.arange(1.0, steps + 1)
    for layout in LAYOUTS:
        for noise in NOISES[1:3]:
            for shape, size in (("step", 2.0), ("step", 4.0), ("ramp", 4.0)):
                rise = at >= onset if shape == "step" else np.clip((at - onset) / RAMP, 0, 1)
                generator = np.random.default_rng(11)
                told, seen, error = 0, [], []
                for _ in range(comparisons):
                    report = compare(*sides(generator, noise, layout, steps, size * rise), SETTINGS)
                    left = [one.left for one in report.metrics if one.left is not None]
                    if left:
                        told += 1
                        seen.append(min(one.seen for one in left) - onset)
                        error.append(left[0].step - onset)
                named = f"{layout[0]} v {layout[1]}  {noise.name:<8} {shape} of {size:g} sd"
                delay = float(np.median(seen)) if seen else None
                off = [float(v) for v in np.quantile(error, (0.05, 0.5, 0.95))] if error else None
                print(
                    f"{named:<34} told {told:>3} of {comparisons}, delay {delay}, step off by {off}",
                    flush=True,
                )
                rows.append(
                    {
                        "references": layout[0],
                        "candidates": layout[1],
                        "noise": noise.name,
                        "shape": shape,
                        "size_sd": size,
                        "told": told,
                        "comparisons": comparisons,
                        "median_delay_steps": delay,
                        "step_off_5_50_95": off,
                    }
                )
    return rows


def main() -> int:
    """Print both tables and keep them; 1 where there are too many false alarms."""
    comparisons = int(sys.argv[1]) if len(sys.argv) > 1 else COMPARISONS
    alarms = false_alarms(comparisons)
    found = {
        "comparisons": comparisons,
        "false_alarms": alarms,
        "departures": delays(max(5, comparisons // 5)),
    }
    total, count = (sum(int(str(r[key])) for r in alarms) for key in ("alarms", "comparisons"))
    low, high = interval(total, count)
    print(f"false alarms: {total} of {count} comparisons, {total / count:.1%} [{low:.1%}, {high:.1%}]")
    # A cell is over the limit where even the lower end of its interval is.
    over = [r for r in alarms if float(str(r["low"])) > MOST]
    found["summary"] = {"alarms": total, "comparisons": count, "low": low, "high": high, "over": len(over)}
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(bool(over) or total > MOST * count)


if __name__ == "__main__":
    sys.exit(main())
