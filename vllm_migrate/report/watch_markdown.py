"""The comparison of run logs as Markdown, for a comment on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.markdown_text import code, folded, prose, table, title
from vllm_migrate.report.numbers import seconds
from vllm_migrate.report.watch_words import (
    MARKS,
    WORDS,
    at_step,
    basis,
    departures,
    detail,
    headline,
    interval_of,
    level_of,
    names_of,
    p_of,
    sees,
    size_of,
    span,
    unit_of,
)

if TYPE_CHECKING:
    from vllm_migrate.watch.result import MetricResult, RunSeen, WatchReport

_MOST = 100
"""Metrics that a comment has room for."""


def render_markdown(report: WatchReport) -> str:
    """The report."""
    page = f"{title('watch', report.verdict, WORDS[report.verdict].lower())}\n{prose(headline(report))}\n\n"
    if report.verdict is None:
        page += (f"{prose(report.hint)}\n\n" if report.hint else "") + f"Reason: {code(report.reason)}\n\n"
    page += "".join(f"- **{prose(one.label)}**: {prose(detail(one))}\n" for one in departures(report)[:_MOST])
    page += "\n" if departures(report) else ""
    if report.metrics:
        head = ["metric", "outcome", "left at", "95%", "by", "reference", "candidate", "p", "would see"]
        page += table(head, [_row(one) for one in report.metrics[:_MOST]])
        if len(report.metrics) > _MOST:
            page += f"{len(report.metrics) - _MOST} more metrics: see the HTML or JSON report.\n\n"
    runs = "".join(_run("reference", run) for run in report.references)
    runs += "".join(_run("candidate", run) for run in report.candidates)
    page += folded("The runs", runs) if runs else ""
    page += "".join(f"\n{prose(note)}\n" for note in report.notes)
    return page + f"\n<sub>{prose(basis(report))}; {seconds(report.seconds)}</sub>\n"


def _row(one: MetricResult) -> list[str]:
    unit = unit_of(one)
    return [
        f"{prose(one.label)}" + (f" ({prose(unit)})" if unit else "") + f"<br>{code(names_of(one))}",
        f"{MARKS[one.outcome]} {one.outcome.value}",
        at_step(one),
        interval_of(one.left) if one.left else "",
        size_of(one),
        level_of(one, one.reference_mean),
        level_of(one, one.candidate_mean),
        p_of(one).replace("<", "&lt;"),
        sees(one),
    ]


def _run(side: str, run: RunSeen) -> str:
    notes = "".join(f"  - {prose(note)}\n" for note in run.notes)
    return f"- {side} {code(run.source)}: {prose(span(run))}\n{notes}"
