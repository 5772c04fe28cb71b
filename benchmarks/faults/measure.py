"""How often the audit names the cause of a seeded fault, and how often it accuses a candidate that is right.

    python benchmarks/faults/measure.py [--seeds N] [--only NAME ...]

Real engines; see README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kept import KeptProcess, KeptReplay, MemoryJournal
from material import material, write_base
from seeded import CLEAN, FAULTS, VARIANTS, Fault
from shares import interval

from vllm_migrate.audit.evidence import CANDIDATE
from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.audit.run import concluded
from vllm_migrate.engines import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from material import Material
    from typing_extensions import Self

    from vllm_migrate.audit.result import AuditResult

RESULT = Path(__file__).resolve().parents[1] / "results" / "faults.json"
SEEDS = 20
EVERY = (*FAULTS, *VARIANTS, *CLEAN)
NAMED, CAUGHT = 0.90, 0.95


@dataclass(frozen=True, slots=True)
class Prepared:
    """One seed's material, and the reference's part of its audits by prompts and sampling profile."""

    material: Material
    journals: dict[str, MemoryJournal] = field(default_factory=dict)


def _prompts_and_sampling(fault: Fault) -> str:
    return f"{fault.sampling} {fault.chats} {fault.large}"


class Bench:
    """The kept engines, and audits in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._base = write_base(folder)
        self._processes: dict[str, KeptProcess] = {}

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, seeds: Sequence[int], faults: Sequence[Fault]) -> Iterator[dict[str, Any]]:
        """The audit of every fault under every seed; V0 works a seed ahead of V1."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead = [pool.submit(self._prepare, seed, faults) for seed in seeds[:1]]
            for fault in faults:  # engines come up while V0 is at work
                self._processes["v1"].load(CANDIDATE, fault.arguments)
            for number, seed in enumerate(seeds):
                prepared = ahead.pop().result()
                following = seeds[number + 1 : number + 2]
                ahead += [pool.submit(self._prepare, later, faults) for later in following]
                for fault in faults:
                    started = time.monotonic()
                    result = self.audit(fault, prepared)
                    yield row(fault, seed, result, time.monotonic() - started)

    def audit(self, fault: Fault, prepared: Prepared) -> AuditResult:
        """One audit, by the product's own arms and conclusions."""
        plan = fault.plan(prepared.material)
        meddle = None if fault.meddle is None else fault.meddle(prepared.material)
        journal = prepared.journals[_prompts_and_sampling(fault)]
        return concluded(plan, KeptReplay(plan, self._processes, journal, meddle).run())

    def _prepare(self, seed: int, faults: Iterable[Fault]) -> Prepared:
        """What a seed decides, with the reference's part of its audits."""
        prepared = Prepared(material(self._folder, seed))
        for fault in faults:
            key = _prompts_and_sampling(fault)
            if key not in prepared.journals:
                prepared.journals[key] = MemoryJournal()
                plan = fault.plan(prepared.material)
                KeptReplay(plan, self._processes, prepared.journals[key]).run_reference()
        return prepared

    def _start(self) -> None:
        for spec in ("v0", "v1"):
            process = KeptProcess(registry.require(spec), self._base)
            process.client.start()
            self._processes[spec] = process

    def _stop(self) -> None:
        for process in self._processes.values():
            process.client.close()


def row(fault: Fault, seed: int, result: AuditResult, seconds: float) -> dict[str, Any]:
    """What is kept of one audit."""
    ladder = result.ladder
    return {
        "fault": fault.name,
        "seed": seed,
        "verdict": None if result.verdict is None else result.verdict.value,
        "reason": result.reason,
        "cause": result.cause.value,
        "wanted": fault.cause.value,
        "evidence": result.cause_evidence,
        "excess": None if ladder is None else ladder.excess.value,
        "removed": {
            f"{rung.cause}:{','.join(rung.setting)}": round(rung.removed.value, 4)
            for rung in (() if ladder is None else ladder.rungs)
            if rung.removed is not None and rung.against != "trainer"
        },
        "broken": [entry.name for entry in result.invariants if entry.holds is False],
        "seconds": round(seconds, 2),
    }


def report(rows: Sequence[dict[str, Any]], faults: Iterable[Fault]) -> bool:
    """Print the table; whether every figure is held."""
    held = True
    print(f"{'fault':<24} {'caught':>7} {'named':>7}  {'95% interval':<15} named instead")
    for fault in faults:
        mine = [entry for entry in rows if entry["fault"] == fault.name]
        if not mine or fault.cause is Cause.NONE:
            continue
        caught = sum(entry["verdict"] == Verdict.FAIL.value for entry in mine)
        named = sum(entry["cause"] == fault.cause.value for entry in mine)
        low, high = interval(named, len(mine))
        others = sorted({entry["cause"] for entry in mine} - {fault.cause.value})
        print(
            f"{fault.name:<24} {caught:>3}/{len(mine):<3} {named:>3}/{len(mine):<3}  "
            f"{low:>5.1%} to {high:<6.1%} {', '.join(others)}".rstrip()
        )
        held = held and named >= NAMED * len(mine) and caught >= CAUGHT * len(mine)
    clean = [entry for entry in rows if entry["wanted"] == Cause.NONE.value]
    alarms = [entry for entry in clean if alarm(entry)]
    for fault in faults:
        mine = [entry for entry in clean if entry["fault"] == fault.name]
        if mine:
            false, passed = sum(map(alarm, mine)), sum(e["verdict"] == "PASS" for e in mine)
            print(f"{fault.name:<24} {false:>3}/{len(mine):<3} false alarms, {passed} of {len(mine)} PASS")
    if clean:
        low, high = interval(len(alarms), len(clean))
        print(f"false alarms in all: {len(alarms)} of {len(clean)} ({low:.1%} to {high:.1%})")
    return held and not alarms


def kept(output: Path) -> list[dict[str, Any]]:
    """Audits that an earlier run has measured."""
    return list(json.loads(output.read_text(encoding="utf-8"))["rows"]) if output.is_file() else []


def keep(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write what there is, a line for each audit."""
    lines = ",\n  ".join(json.dumps(entry) for entry in rows)
    output.parent.mkdir(exist_ok=True)
    output.write_text(f'{{\n "rows": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


def alarm(entry: dict[str, Any]) -> bool:
    """Whether a candidate that is right was accused of something."""
    return entry["verdict"] == Verdict.FAIL.value or entry["cause"] != Cause.NONE.value


def main() -> int:
    """Measure, print, keep the raw results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of faults; what was kept of others stays"
    )
    parser.add_argument("--output", type=Path, default=RESULT)
    given = parser.parse_args()
    faults = [fault for fault in EVERY if not given.only or fault.name in given.only]
    measured = {(fault.name, given.first + number) for fault in faults for number in range(given.seeds)}
    others = [entry for entry in kept(given.output) if (entry["fault"], entry["seed"]) not in measured]
    rows: list[dict[str, Any]] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vllm-migrate-faults-") as folder, Bench(Path(folder)) as bench:
        for entry in bench.run(range(given.first, given.first + given.seeds), faults):
            rows.append(entry)
            wrong = "" if entry["cause"] == entry["wanted"] else f"  (wanted {entry['wanted']})"
            print(
                f"seed {entry['seed']:>2} {entry['fault']:<24} {entry['verdict']} {entry['cause']}{wrong}"
                f" {entry['seconds']:.1f} s",
                file=sys.stderr,
                flush=True,
            )
            keep(given.output, [*others, *rows])
    held = report([*others, *rows], EVERY)
    print(f"{len(rows)} audits in {time.monotonic() - started:.0f} s")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
