"""Run logs made for tests: curves with autocorrelated noise, written as the tools write them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from vllm_migrate.watch.run import Run, Series

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


def noise(generator: np.random.Generator, steps: int, phi: float = 0.4) -> np.ndarray:
    shocks = generator.standard_normal(steps + 50)
    made = np.zeros(steps + 50)
    for step in range(1, steps + 50):
        made[step] = phi * made[step - 1] + np.sqrt(1 - phi**2) * shocks[step]
    return made[50:]


def curves(seed: int, *, steps: int = 100, leaves: int | None = None) -> dict[str, np.ndarray]:
    """TRL's names; from `leaves` on the clip rate is higher, and the reward sinks from ten steps later on."""
    generator = np.random.default_rng(seed)
    at = np.arange(1, steps + 1)
    gone = np.zeros(steps) if leaves is None else (at >= leaves).astype(float)
    later = np.zeros(steps) if leaves is None else np.clip((at - leaves - 10) / 20, 0, 1)
    return {
        "clip_ratio/region_mean": 0.02 + 0.003 * noise(generator, steps) + 0.03 * gone,
        "kl": 0.001 + 0.0002 * noise(generator, steps),
        "entropy": 1.2 - 0.004 * at + 0.03 * noise(generator, steps),
        "reward": 1 / (1 + np.exp(-(at - steps / 2) / 20)) + 0.04 * noise(generator, steps) - 0.4 * later,
    }


def rows(seed: int, *, steps: int = 100, leaves: int | None = None, every: int = 1) -> list[dict[str, float]]:
    found = curves(seed, steps=steps, leaves=leaves)
    return [
        {"step": step, **{name: float(values[step - 1]) for name, values in found.items()}}
        for step in range(every, steps + 1, every)
    ]


def run(seed: int, *, steps: int = 100, leaves: int | None = None) -> Run:
    at = np.arange(1.0, steps + 1)
    found = curves(seed, steps=steps, leaves=leaves)
    series = {name: Series(at, values) for name, values in found.items()}
    return Run(f"seed-{seed}", f"seed-{seed}", "made", series, finished=True)


def write_state(path: Path, history: list[dict[str, float]], *, most: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    last = int(history[-1]["step"]) if history else 0
    state = {"global_step": last, "max_steps": most, "log_history": history}
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def write_lines(path: Path, history: list[dict[str, float]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in history), encoding="utf-8")
    return path


def write_csv(path: Path, history: list[dict[str, float]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    return path
