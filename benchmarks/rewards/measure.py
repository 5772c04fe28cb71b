"""How often a planted flaw of a reward is caught by the right probe, and how often a clean reward is accused.

    python benchmarks/rewards/measure.py [--aside] [--jobs N] [--only NAME ...]

Without `--aside` the rewards that probes may be tuned by are run, with it the third that was set aside.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shares import interval
from vllm_migrate.errors import VllmMigrateError
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.named_reward import parse_weighted
from vllm_migrate.reward.calling.sandbox import Bounds
from vllm_migrate.reward.examine import examine
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.read import read_any

from rollouts import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
RESULT = HERE.parent / "results" / "rewards.json"
SECONDS = 5.0  # a text; half of the default, so that rewards that hang take no hour
CAUGHT = 0.95
_KEY = re.compile(r"^(task|flaw|probes|expected|ignore|function|functions): (.+)$", re.MULTILINE)
_FINDINGS = (Outcome.WARN.value, Outcome.FAIL.value)


@dataclass(frozen=True, slots=True)
class Entry:
    """One reward of the benchmark, by the header of its file.

    Attributes:
        name: of the file.
        path: to it.
        clean: nothing is to be found.
        task: whose rollouts it scores.
        flaw: in words, "" where it is clean.
        probes: any of which is the right one to name the flaw.
        expected: "fail", or "warn" where a warning is all that the flaw deserves.
        ignore: probes that its user turns off.
        functions: with their weights.
    """

    name: str
    path: Path
    clean: bool
    task: str
    flaw: str
    probes: tuple[str, ...]
    expected: str
    ignore: tuple[str, ...]
    functions: tuple[str, ...]


def entry(path: Path) -> Entry:
    """What the header of a reward's file says."""
    header = dict(_KEY.findall(path.read_text(encoding="utf-8").split('"""')[1]))

    def named(key: str) -> tuple[str, ...]:
        return tuple(name.strip() for name in header.get(key, "").split(",") if name.strip())

    functions = header.get("functions", header.get("function", "reward")).split()
    clean = path.parent.name == "clean"
    return Entry(
        path.stem,
        path,
        clean,
        header["task"],
        header.get("flaw", ""),
        named("probes"),
        header.get("expected", "fail"),
        named("ignore"),
        tuple(functions),
    )


def entries(*, aside: bool) -> list[Entry]:
    """The rewards held aside, or all others."""
    split = json.loads((HERE / "split.json").read_text(encoding="utf-8"))
    found = []
    for kind in ("clean", "flawed"):
        paths = sorted((HERE / kind).glob("*.py"))
        found += [entry(path) for path in paths if (path.stem in split[kind]) is aside]
    return found


def write_rollouts(task: str, folder: Path) -> None:
    """The rollouts of a task, once."""
    file = folder / f"{task}.jsonl"
    if not file.exists():
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(task)), encoding="utf-8")


def examined(one: Entry, folder: Path) -> dict[str, Any]:
    """The row of one reward."""
    file = folder / f"{one.task}.jsonl"
    functions = [parse_weighted(f"{one.path}:{function}") for function in one.functions]
    begun = time.monotonic()
    found: dict[str, Any] = {"name": one.name, "clean": one.clean, "task": one.task, "flaw": one.flaw}
    found |= {"probes": list(one.probes), "expected": one.expected}
    try:
        with FunctionScorer(functions, bounds=Bounds(seconds=SECONDS)) as scorer:
            report = examine(scorer, read_any(file), reward=one.name, kind=scorer.kind, ignore=one.ignore)
    except VllmMigrateError as error:
        return found | {"verdict": "error", "error": str(error), "findings": {}, "outcomes": {}}
    return found | {
        "verdict": report.verdict.value if report.verdict else report.reason,
        "outcomes": {check.probe: check.outcome.value for check in report.checks},
        "findings": {
            check.probe: check.message for check in report.checks if check.outcome.value in _FINDINGS
        },
        "seconds": round(time.monotonic() - begun, 1),
    }


def by_outcome(row: dict[str, Any], outcome: Outcome) -> list[str]:
    """Probes of a row that came to an outcome, in the order they are reported."""
    return [name for name, came in row["outcomes"].items() if came == outcome.value]


def hits(row: dict[str, Any]) -> tuple[bool, bool]:
    """Whether a flaw was caught at all, and by a right probe."""
    seen = by_outcome(row, Outcome.FAIL)
    if row["expected"] == Outcome.WARN.value:
        seen = [*seen, *by_outcome(row, Outcome.WARN)]
    return bool(seen), bool(set(seen) & set(row["probes"]))


def first(row: dict[str, Any]) -> bool:
    """Whether the first finding reported is a right one."""
    seen = by_outcome(row, Outcome.FAIL) or by_outcome(row, Outcome.WARN)
    return bool(seen) and seen[0] in row["probes"]


def _share(words: str, count: int, total: int) -> str:
    low, high = interval(count, total)
    return f"{words:<34} {count:>2} of {total:>2} = {count / max(1, total):4.0%}  ({low:.0%} to {high:.0%})"


def report(found: Sequence[dict[str, Any]]) -> bool:
    """Print the table and the shares; whether they are as wanted."""
    for row in found:
        fails, warns = by_outcome(row, Outcome.FAIL), by_outcome(row, Outcome.WARN)
        mark = "ok" if (not fails if row["clean"] else hits(row)[1]) and "error" not in row else "!!"
        shown = ", ".join([*fails, *(f"({name})" for name in warns)]) or row.get("error", "-")
        print(f"{mark} {row['name']:<24} {shown}"[:80])
    flawed = [row for row in found if not row["clean"]]
    clean = [row for row in found if row["clean"]]
    named = sum(hits(row)[1] for row in flawed)
    accused = sum(row["verdict"] == "FAIL" or "error" in row for row in clean)
    print()
    print(_share("flaws caught", sum(hits(row)[0] for row in flawed), len(flawed)))
    print(_share("  a right probe names them", named, len(flawed)))
    print(_share("  and is the first named", sum(first(row) for row in flawed), len(flawed)))
    print(_share("clean ones that fail", accused, len(clean)))
    warned = sum(bool(by_outcome(row, Outcome.WARN)) for row in clean)
    print(_share("clean ones that are warned of", warned, len(clean)))
    return named >= CAUGHT * len(flawed) and not accused


def _rows(chosen: Sequence[Entry], jobs: int) -> Iterator[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory(prefix="vllm-migrate-rewards-") as folder,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
    ):
        for one in chosen:
            write_rollouts(one.task, Path(folder))
        for row in pool.map(examined, chosen, repeat(Path(folder))):
            print(f"{row['name']}: {row['verdict']}, {row.get('seconds', 0)} s", file=sys.stderr, flush=True)
            yield row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and keep the results of whole runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aside", action="store_true", help="the third that was set aside")
    parser.add_argument("--only", nargs="+", default=[], help="names; their results are not kept")
    parser.add_argument("--jobs", type=int, default=1, help="rewards at a time")
    parser.add_argument("--output", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    chosen = [one for one in entries(aside=given.aside) if not given.only or one.name in given.only]
    kept = json.loads(given.output.read_text(encoding="utf-8")) if given.output.exists() else {}
    found: list[dict[str, Any]] = []
    for row in _rows(chosen, given.jobs):
        found.append(row)
        if not given.only:
            kept["aside" if given.aside else "tuned"] = found
            given.output.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
