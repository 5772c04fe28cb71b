"""Prints what the runs showed: a table of at most 80 columns, pass rates with exact intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shares import CONFIDENCE, interval

if TYPE_CHECKING:
    from case import Case
    from stages import Outcome

V1_STAGES = ("before", "safe", "unsafe")
_WIDTH = 78


def rates(cases: list[Case], outcomes: dict[str, dict[str, Outcome]]) -> dict[str, dict[str, float]]:
    """Pass rates over the projects that are no controls, by stage."""
    found = {}
    for stage in V1_STAGES:
        ran = [
            outcomes[case.name][stage] for case in cases if not case.control and stage in outcomes[case.name]
        ]
        passed = sum(outcome.passed for outcome in ran)
        low, high = interval(passed, len(ran))
        found[stage] = {"passed": passed, "runs": len(ran), "low": round(low, 4), "high": round(high, 4)}
    return found


def failures(cases: list[Case], outcomes: dict[str, dict[str, Outcome]]) -> dict[str, bool]:
    """Projects that do not pass after all edits, and whether a finding that remains says what to do."""
    last = {case.name: outcomes[case.name].get("unsafe") for case in cases}
    return {name: outcome.explained for name, outcome in last.items() if outcome and not outcome.passed}


def show(cases: list[Case], outcomes: dict[str, dict[str, Outcome]], target: str) -> None:
    """The table, then every failure with what the tool says about it, then the rates."""
    print(f"{'project':<22}{'V0 mean':>9}  {'before':<8}{'safe':<8}{'unsafe':<8}{'mean':>9}{'left':>6}")
    for case in cases:
        rows = outcomes[case.name]
        last = rows.get("unsafe")
        marks = "".join(f"{_mark(case, stage, rows.get(stage)):<8}" for stage in V1_STAGES)
        left = len([e for e in last.remaining if e["safety"] == "manual"]) if last else ""
        print(f"{case.name:<22}{_mean(rows.get('v0')):>9}  {marks}{_mean(last):>9}{left:>6}".rstrip())
    print("* not what the author expected; left: findings that need a person")
    for case in cases:
        for stage, outcome in outcomes[case.name].items():
            if outcome.wrong and not (stage == "before" and case.before != "pass"):
                _explain(case, stage, outcome)
    print(f"\npass rate on V1 {target}, {CONFIDENCE:.0%} Clopper-Pearson interval")
    for stage, rate in rates(cases, outcomes).items():
        if rate["runs"]:
            share = rate["passed"] / rate["runs"]
            print(
                f"  {stage:<8}{rate['passed']:>3} of {rate['runs']:<3}{share:>6.0%}"
                f"  [{rate['low']:.0%}, {rate['high']:.0%}]"
            )
    failed = failures(cases, outcomes)
    if failed:
        print(f"{sum(failed.values())} of {len(failed)} that still fail have a finding that says what to do")


def _mark(case: Case, stage: str, outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    wanted = getattr(case, stage)
    as_wanted = outcome.verdict == wanted or (wanted == "fail" and not outcome.passed)
    return outcome.verdict + ("" if as_wanted else "*")


def _mean(outcome: Outcome | None) -> str:
    mean = (outcome.numerics or {}).get("mean") if outcome else None
    return "-" if mean is None else f"{mean:.1e}"


def _explain(case: Case, stage: str, outcome: Outcome) -> None:
    print(f"\n{case.name}, {stage}:")
    for line in outcome.wrong:
        print(f"  {_cut(line)}")
    for entry in outcome.remaining:
        if entry["safety"] == "manual":
            place = f"{entry['path']}:{entry['line']}"
            print("  " + _cut(f"{place} {entry['code']} {entry['message']}"))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
