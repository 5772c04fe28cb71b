"""The report on a reward as JUnit XML: a case for the verdict, and one for each probe.

A FAIL is a failure; a reward that could not be judged is an error. A warning passes, and says what it found;
what does not apply, could not be judged or is switched off is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.junit_xml import document, ended, suite
from vllm_migrate.report.reward_words import (
    basis,
    change_of,
    figure_of,
    headline,
    limits_of,
    over,
    tally,
    telling,
)
from vllm_migrate.report.shown import shown
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from vllm_migrate.report.junit_xml import Case, Suite
    from vllm_migrate.reward.outcome import Check, RewardReport

_NAME = "vllm-migrate.reward"
_EXAMPLES = 3
_BUT = {Outcome.WARN: "warning", Outcome.FAIL: "fails, and does not gate"}
_QUOTED, _LONGEST = 400, 4000


def render_junit(report: RewardReport) -> str:
    """The document, with a line feed at its end."""
    suites = [suite(_NAME, [_verdict(report)])]
    if report.checks:
        suites.append(suite(f"{_NAME}.probes", [_check(check, f"{_NAME}.probes") for check in report.checks]))
    return document(suites)


def reward_suite(report: RewardReport, *, gates: bool) -> Suite:
    """The probes of an audit's reward; where they don't gate, what fails passes and says what it found."""
    place = "vllm-migrate.audit.reward-check"
    if not report.checks:
        return suite(place, [_ended("skipped", "reward", place, report.reason, [headline(report)])])
    return suite(place, [_check(check, place, gates=gates) for check in report.checks])


def _verdict(report: RewardReport) -> Case:
    lines = [headline(report), f"reward: {report.reward}"]
    lines += [basis(report), tally(report)] if report.checks else []
    lines += [report.hint] if report.hint else []
    if report.verdict is Verdict.PASS:
        return _ended("passed", "verdict", _NAME, report.reason, lines)
    return _ended(
        "failure" if report.verdict is Verdict.FAIL else "error", "verdict", _NAME, report.reason, lines
    )


def _check(check: Check, place: str, *, gates: bool = True) -> Case:
    if check.outcome not in (Outcome.PASS, Outcome.WARN, Outcome.FAIL):
        return _ended("skipped", check.probe, place, check.probe, [f"{check.outcome.value}: {check.message}"])
    failed = check.outcome is Outcome.FAIL
    word = "" if check.outcome is Outcome.PASS or (failed and gates) else f"{_BUT[check.outcome]}: "
    lines = [f"{word}{check.message}"]
    lines += [f"figure: {figure_of(check)} ({over(check)})"] if check.figure is not None else []
    lines += [f"limits: {limits_of(check)}; {check.limits.source}"] if check.limits is not None else []
    lines += [f"do: {check.advice}"] if check.advice else []
    for example in telling(check.worst, _EXAMPLES):
        lines.append(f"{example.change}: {change_of(example)}: {shown(example.completion, longest=_QUOTED)}")
    outcome = "failure" if failed and gates else "passed"
    return _ended(outcome, check.probe, place, check.probe, lines)


def _ended(outcome: str, name: str, place: str, kind: str, lines: list[str]) -> Case:
    """A case with what is to be said of it; the first line is its message."""
    return ended(outcome, name, place, kind, [shown(line, longest=_LONGEST) for line in lines])
