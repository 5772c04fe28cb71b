"""The comparison of run logs as JUnit XML: a case for the verdict, and one for each metric.

A metric that left is a failure; runs that could not be compared are an error; a metric that could not be
judged is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.junit_xml import document, ended, suite
from vllm_migrate.report.shown import shown
from vllm_migrate.report.watch_words import basis, detail, headline, level_of, names_of, sees, span
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.result import Outcome

if TYPE_CHECKING:
    from vllm_migrate.report.junit_xml import Case
    from vllm_migrate.watch.result import MetricResult, WatchReport

_NAME = "vllm-migrate.watch"
_OUTCOMES = {Outcome.IN_BAND: "passed", Outcome.LEFT: "failure", Outcome.NOT_JUDGED: "skipped"}


def render_junit(report: WatchReport) -> str:
    """The document, with a line feed at its end."""
    suites = [suite(_NAME, [_verdict(report)])]
    if report.metrics:
        suites.append(suite(f"{_NAME}.metrics", [_metric(one) for one in report.metrics]))
    return document(suites)


def _verdict(report: WatchReport) -> Case:
    lines = [headline(report), basis(report)]
    lines += [f"reference {run.source}: {span(run)}" for run in report.references]
    lines += [f"candidate {run.source}: {span(run)}" for run in report.candidates]
    lines += [report.hint] if report.hint else []
    outcome = {Verdict.PASS: "passed", Verdict.FAIL: "failure"}.get(report.verdict or Verdict.INCONCLUSIVE)
    return _ended(outcome or "error", "verdict", _NAME, report.reason, lines)


def _metric(one: MetricResult) -> Case:
    lines = [detail(one), f"the runs call it {names_of(one)}"]
    if one.points:
        means = f"{level_of(one, one.reference_mean)} and {level_of(one, one.candidate_mean)}"
        lines.append(f"means over {one.points} steps: reference and candidate {means}")
    lines += [f"a lasting difference of {sees(one)} over a quarter would have been told"] if sees(one) else []
    return _ended(_OUTCOMES[one.outcome], one.name, f"{_NAME}.metrics", "left", lines)


def _ended(outcome: str, name: str, place: str, kind: str, lines: list[str]) -> Case:
    return ended(outcome, shown(name), place, kind, [shown(line) for line in lines])
