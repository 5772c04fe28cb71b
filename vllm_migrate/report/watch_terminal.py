"""The comparison of run logs for a terminal, in 80 columns: verdict, curves, departures."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from vllm_migrate.report.numbers import seconds
from vllm_migrate.report.shown import shown
from vllm_migrate.report.style import Style
from vllm_migrate.report.watch_words import (
    WORDS,
    at_step,
    basis,
    departures,
    detail,
    headline,
    level_of,
    listed,
    names_of,
    p_of,
    sees,
    size_of,
    span,
    sparkline,
)
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.result import Outcome

if TYPE_CHECKING:
    from vllm_migrate.watch.result import MetricResult, RunSeen, WatchReport

WIDTH = 80
_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", None: "yellow"}
_OUTCOMES = {Outcome.IN_BAND: "green", Outcome.LEFT: "red", Outcome.NOT_JUDGED: "yellow"}
_NAME, _SPARK = 20, 16
_INDENT = "  "
_MOST_RUNS = 5


def render_text(report: WatchReport, *, colour: bool = False) -> str:
    """The report; nothing in a log can steer the terminal."""
    style = Style(enabled=colour)
    word = WORDS[report.verdict if report.verdict is not Verdict.INCONCLUSIVE else None]
    lines = _wrapped(f"{word}  {headline(report)}", further=_INDENT)
    lines[0] = style(word, _COLOURS[report.verdict], "bold") + lines[0][len(word) :]
    lines += _wrapped(f"{basis(report)}; {seconds(report.seconds)}", _INDENT)
    lines += ["", *_side("reference", report.references), *_side("candidate", report.candidates)]
    if report.metrics:
        lines += ["", *_table(report, style)]
    for one in departures(report):
        lines += ["", style(shown(one.label), "bold"), *_wrapped(detail(one), _INDENT)]
        lines += [
            style(line, "dim")
            for line in _wrapped(f"{one.meaning or 'as the runs name it'}: {names_of(one)}", _INDENT)
        ]
    unjudged = [one for one in report.metrics if one.outcome is Outcome.NOT_JUDGED]
    if unjudged:
        lines += ["", style("Not judged", "bold")]
        lines += [line for one in unjudged for line in _wrapped(f"{one.label}: {one.message}", _INDENT)]
    if report.not_compared:
        count = len(report.not_compared)
        said = f"{count} more in common, not compared (--all): {listed(list(report.not_compared), 8)}"
        lines += ["", *_wrapped(said, further=_INDENT)]
    lines += [line for note in report.notes for line in _wrapped(note, further=_INDENT)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _side(name: str, runs: tuple[RunSeen, ...]) -> list[str]:
    lines = []
    for run in runs[:_MOST_RUNS]:
        lines += _wrapped(f"{name}  {run.name} ({span(run)})", further=" " * (len(name) + 2))
        lines += [line for note in run.notes for line in _wrapped(f"- {note}", _INDENT * 2)]
    if len(runs) > _MOST_RUNS:
        lines.append(f"{name}  and {len(runs) - _MOST_RUNS} more")
    return lines


def _table(report: WatchReport, style: Style) -> list[str]:
    """One line a metric: outcome, means, the step, the size, and both curves on one scale."""
    head = f"{'metric':<{_NAME}} {'outcome':<10} {'p':>8}  {'at':<10} {'by':>10}  {'would see':>10}"
    lines = [style(head, "dim")]
    for one in report.metrics:
        name = shown(one.label)
        name = name if len(name) <= _NAME else name[: _NAME - 1] + "…"
        outcome = style(f"{one.outcome.value:<10}", _OUTCOMES[one.outcome])
        said = f"{p_of(one):>8}  {at_step(one):<10} {size_of(one):>10}  {sees(one):>10}"
        lines.append(f"{name:<{_NAME}} {outcome} {said}")
        lines += _curves(one, style)
    return lines


def _curves(one: MetricResult, style: Style) -> list[str]:
    """Reference over candidate, each with its mean; a letter under the step of the departure."""
    curve = one.curve
    if curve is None:
        return []
    low = min(*curve.reference, *curve.candidate)
    high = max(*curve.reference, *curve.candidate)
    width = WIDTH - len(_INDENT) - 26
    lines = []
    for side, values, mean in (
        ("reference", curve.reference, one.reference_mean),
        ("candidate", curve.candidate, one.candidate_mean),
    ):
        drawn = sparkline(values, low, high, width)
        lines.append(f"{_INDENT}{style(f'{side} {level_of(one, mean):>10}', 'dim')}  {drawn}")
    if one.left is not None and curve.steps[0] <= one.left.step <= curve.steps[-1]:
        place = sum(step < one.left.step for step in curve.steps)
        at = place * min(width, len(curve.steps)) // len(curve.steps)
        lines.append(f"{_INDENT}{'':20}  {' ' * at}{style('^', 'red')}")
    return lines


def _wrapped(text: str, indent: str = "", further: str = "") -> list[str]:
    return textwrap.wrap(shown(text), WIDTH, initial_indent=indent, subsequent_indent=indent + further)
