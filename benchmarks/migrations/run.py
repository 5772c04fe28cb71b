"""Do rewritten projects run on V1, and do they mean the same there? By execution.

    python benchmarks/migrations/run.py [--target 0.32.0] [--only NAME ...] [--stage STAGE ...] [--json FILE]

Every project runs on V0 0.8.5, then on V1 unchanged, after the safe edits and after all edits; README.md
beside this file says what a project is and when a run passes. Needs both engines; a run takes a minute or so.
Exits 1 where a project fails on V0, the pass rate after all edits is below what it is held to, or a project
that still fails then has no finding that says what to do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from case import Case, read_all
from stages import ROOT, STAGES, Outcome, Setting, run_stage
from table import failures, rates, show

from vllm_migrate.engines import registry
from vllm_migrate.engines.paths import cache_root

HELD_TO = 0.9
"""Share of projects that must pass on V1 after all edits."""


def setting_for(target: str, work: Path, *, again: bool = False) -> Setting:
    """The engines for a target.

    Raises:
        ProvisionError: one is not installed.
    """
    v1 = registry.require(f"v1@{target}")
    judge = registry.find("v1") or v1
    return Setting(registry.require("v0"), v1, judge, target, work, again)


def measure(cases: list[Case], stages: tuple[str, ...], setting: Setting) -> dict[str, dict[str, Outcome]]:
    """Every stage of every project, one after the other; says on stderr what it does."""
    outcomes: dict[str, dict[str, Outcome]] = {}
    for case in cases:
        outcomes[case.name] = {}
        for stage in stages:
            if stage == "v0" and not case.on_v0:
                continue
            print(f"{case.name}: {stage} ...", end=" ", file=sys.stderr, flush=True)
            outcome = run_stage(case, stage, setting)
            outcomes[case.name][stage] = outcome
            why = f" ({outcome.wrong[0]})" if outcome.wrong else ""
            print(f"{outcome.verdict}, {outcome.seconds:.0f} s{why}", file=sys.stderr, flush=True)
            if stage == "v0" and not outcome.passed:
                break
    return outcomes


def document(
    cases: list[Case], outcomes: dict[str, dict[str, Outcome]], setting: Setting
) -> dict[str, object]:
    """The raw results."""
    return {
        "target": setting.target,
        "engines": {"v0": setting.v0.package, "v1": setting.v1.package},
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "rates": rates(cases, outcomes),
        "projects": {
            case.name: {
                "title": case.title,
                "style": case.style,
                "control": case.control,
                "stages": {
                    stage: {"verdict": outcome.verdict, **asdict(outcome)}
                    for stage, outcome in outcomes[case.name].items()
                },
            }
            for case in cases
        },
    }


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="0.32.0")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--stage", action="append", default=[], choices=STAGES)
    parser.add_argument("--again", action="store_true", help="also what has run before")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--work", type=Path, default=cache_root() / "migrations")
    parser.add_argument(
        "--json", type=Path, help="where results go; by default benchmarks/results, if all ran"
    )
    args = parser.parse_args()
    cases = read_all()
    unknown = set(args.only) - {case.name for case in cases}
    if unknown:
        parser.error(f"no project is called {', '.join(sorted(unknown))}")
    chosen = [case for case in cases if not args.only or case.name in args.only]
    if args.list:
        for case in chosen:
            print(f"{case.name:<22} {case.title}")
        return 0
    able = [case for case in chosen if args.target in case.targets]
    setting = setting_for(args.target, args.work, again=args.again)
    outcomes = measure(able, tuple(s for s in STAGES if not args.stage or s in args.stage), setting)
    show(able, outcomes, args.target)
    whole = not args.only and not args.stage
    path = args.json or (
        ROOT / "benchmarks" / "results" / f"migrations-{args.target}.json" if whole else None
    )
    if path is not None:
        path.write_text(json.dumps(document(able, outcomes, setting), indent=1) + "\n", encoding="utf-8")
    if any("v0" in rows and not rows["v0"].passed for rows in outcomes.values()):
        return 1
    if not all(failures(able, outcomes).values()):
        return 1
    after = rates(able, outcomes)["unsafe"]
    return int(after["runs"] > 0 and after["passed"] < HELD_TO * after["runs"])


if __name__ == "__main__":
    sys.exit(main())
