"""Train every arm of the figure, seed by seed, and keep what each step measured.

    python benchmarks/figure1/run.py [--workers N] [--only ARM ...] [--objectives NAME ...] [--work DIR]
    python benchmarks/figure1/run.py --collect

A run that is finished is not run again: a matrix that was cut off goes on where it stopped. Real engines; see
README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arms import CLIPS, GRPO, GSPO, MAIN, OBJECTIVES, SAMPLING, arms
from train import Bench, Run, Size

from vllm_migrate.engines.paths import cache_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


RESULTS = Path(__file__).resolve().parents[1] / "results" / "figure1"
SEEDS = 5
DIGITS = 4
KEPT = (
    "reward",
    "clip_rate",
    "kl_new_old",
    "entropy",
    "k2",
    "ess",
    "ratio",
    "mean_abs",
    "outside_support",
    "length",
    "paid",
    "weight_lag",
    "cached",
    "flat_groups",
)


def matrix(names: Sequence[str], objectives: Sequence[str]) -> list[list[Run]]:
    """The runs of each arm, in the order of their worth: GRPO first, and of each the figure's three arms."""
    ordered = [*MAIN, *(name for name in arms() if name not in MAIN)]
    return [
        [Run(name, objective, seed) for seed in range(SEEDS)]
        for objective in objectives
        for name in ordered
        if name in names
    ]


class Journal:
    """What is kept of runs: one file each, written under another name until the last step is in it."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._folder = folder / "runs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.tensors = folder / "tensors"
        self._size = size

    def head(self, run: Run) -> dict[str, Any]:
        """All that decides a run; another one's file is not taken for it."""
        arm = asdict(arms()[run.arm])
        arm.pop("about")
        return {
            "run": asdict(run),
            "size": asdict(self._size),
            "arm": arm,
            "clip": list(CLIPS[run.objective]),
            "sampling": asdict(SAMPLING),
        }

    def find(self, run: Run) -> list[dict[str, Any]] | None:
        """A finished run's steps, None where there is none."""
        path = self._path(run)
        if not path.is_file():
            return None
        head, *steps = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return steps if head == self.head(run) and len(steps) == self._size.steps else None

    def keep(self, run: Run, steps: Iterable[dict[str, Any]]) -> None:
        """Write a run step by step."""
        path = self._path(run)
        partial = path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps(self.head(run)) + "\n")
            for step in steps:
                file.write(json.dumps(step) + "\n")
                file.flush()
        partial.replace(path)

    def _path(self, run: Run) -> Path:
        return self._folder / f"{run.name}.jsonl"


class Matrix:
    """Works through the runs, each worker with one engine process at a time.

    Args:
        folder: where runs are kept.
        size: of each run.
    """

    def __init__(self, folder: Path, size: Size) -> None:
        self._folder = folder
        self._size = size
        self.journal = Journal(folder, size)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._left: list[Run] = []

    def run(self, parts: Sequence[list[Run]], workers: int) -> None:
        """Run what is missing; a Ctrl-C ends it after the steps in progress."""
        self._left = [run for part in parts for run in part if self.journal.find(run) is None]
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self._work) for _ in range(workers)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stop.set()
                raise

    def _work(self) -> None:
        """Take the next run until none is left; an engine is closed where no run of its release is left."""
        generation = ""
        while run := self._take(generation):
            generation = arms()[run.arm].engine
            with Bench(generation, self._folder) as bench:
                while run is not None:
                    self.journal.keep(run, self._told(bench, run))
                    run = self._take(generation, only=True)

    def _take(self, generation: str, *, only: bool = False) -> Run | None:
        """The first run left of this release and the objective now due; else, unless `only`, the first."""
        with self._lock:
            if self._stop.is_set() or not self._left:
                return None
            first = self._left[0]
            mine = [
                run
                for run in self._left
                if arms()[run.arm].engine == generation and run.objective == first.objective
            ]
            if only and not mine:
                return None
            chosen = mine[0] if mine else first
            self._left.remove(chosen)
            return chosen

    def _told(self, bench: Bench, run: Run) -> Iterable[dict[str, Any]]:
        started = time.monotonic()
        last: dict[str, Any] = {}
        for last in bench.steps(run, self._size, tensors=self.journal.tensors / run.name):
            if self._stop.is_set():
                raise KeyboardInterrupt
            yield last
        with self._lock:
            print(
                f"{run.name:<28} reward {last['reward']:.2f} clip {last['clip_rate']:.4f} "
                f"k2 {last['k2']:.2e} {time.monotonic() - started:.0f} s",
                file=sys.stderr,
                flush=True,
            )


def collect(journal: Journal, output: Path) -> int:
    """Write the finished runs of each arm and objective into one file; the number of runs."""
    output.mkdir(parents=True, exist_ok=True)
    count = 0
    for part in matrix(list(arms()), OBJECTIVES):
        found = {run: kept for run in part if (kept := journal.find(run)) is not None}
        if not found:
            continue
        count += len(found)
        first = next(iter(found))
        head = journal.head(first)
        lines = [f' "{key}": {json.dumps(head[key])}' for key in ("size", "arm", "clip", "sampling")]
        seeds = ",\n  ".join(
            f'"{run.seed}": {json.dumps(_compact(steps), separators=(",", ":"))}'
            for run, steps in found.items()
        )
        lines.append(f' "seeds": {{\n  {seeds}\n }}')
        path = output / f"{first.arm}-{first.objective}.json"
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return count


def _compact(steps: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    return {name: [float(f"{step[name]:.{DIGITS}g}") for step in steps] for name in KEPT}


def main() -> int:
    """Run what is missing, then collect."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--workers", type=int, default=1, help="engines at once, each with a trainer")
    parser.add_argument("--only", nargs="*", default=list(arms()), choices=list(arms()), metavar="ARM")
    parser.add_argument("--objectives", nargs="*", default=[GRPO, GSPO], choices=OBJECTIVES, metavar="NAME")
    parser.add_argument("--work", type=Path, default=cache_root() / "figure1")
    parser.add_argument("--steps", type=int, default=Size().steps)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--collect", action="store_true", help="only write what is finished")
    given = parser.parse_args()
    found = Matrix(given.work, replace(Size(), steps=given.steps))
    if not given.collect:
        found.run(matrix(given.only, given.objectives), given.workers)
    print(f"{collect(found.journal, given.output)} runs in {given.output.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
