"""The report on a reward for a terminal, in 80 columns: the verdict, a table of the probes, the findings."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING

from vllm_migrate.report.numbers import number, seconds
from vllm_migrate.report.reward_words import (
    FINDINGS,
    basis,
    change_of,
    figure_of,
    headline,
    in_order,
    limits_of,
    over,
    tally,
    telling,
)
from vllm_migrate.report.shown import shown
from vllm_migrate.report.style import Style
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check, Example, RewardReport

WIDTH = 80
_COLOURS = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red"}
_VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
_WORDS = {Outcome.PASS: "pass", Outcome.WARN: "WARN", Outcome.FAIL: "FAIL"}
_INDENT = "  "
_QUOTED = 3 * WIDTH
_EXAMPLES = 3
_PARTS = 6
_WIDE = ("W", "F")
_FILL = "\uffff"  # no character: `shown` leaves none in a text


def render_text(report: RewardReport, *, colour: bool = False) -> str:
    """The report; nothing in a text that was scored can steer the terminal."""
    style = Style(enabled=colour)
    verdict = report.verdict
    word = "NOT JUDGED" if verdict is None else verdict.value
    css = "yellow" if verdict is None else _VERDICTS[verdict]
    title = _wrapped(f"{word}  {report.reward}", indent="", further=_INDENT)
    lines = [style(word, css, "bold") + title[0][len(word) :], *title[1:], *_wrapped(headline(report))]
    if report.samples:
        lines += _wrapped(f"{basis(report)}; {report.kind}; {seconds(report.seconds)}")
    lines += [line for said in report.taken for line in _wrapped(said)]
    if report.checks:
        lines += ["", *_table(report, style), *_wrapped(tally(report), indent="")]
    for check in in_order(report, *FINDINGS):
        lines += ["", *_finding(check, style)]
    left = in_order(report, Outcome.NOT_JUDGED, Outcome.NOT_APPLICABLE)
    if left:
        lines += ["", style("Not judged", "bold")]
        lines += [line for check in left for line in _hanging(check.probe, check.message)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(report: RewardReport, style: Style) -> list[str]:
    """One line a probe that was judged; figures and limits stand under each other."""
    judged = [check for check in report.checks if check.outcome in _WORDS]
    if not judged:
        return []
    rows = [("probe", "", "figure", "limits")]
    rows += [
        (check.probe, _WORDS[check.outcome], figure_of(check) or "-", limits_of(check)) for check in judged
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    lines = []
    for row, check in zip(rows, [None, *judged], strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        if check is None:
            lines.append(style("  ".join([*cells, row[3]]).rstrip(), "dim"))
            continue
        cells[1] = style(cells[1], _COLOURS[check.outcome])
        room = WIDTH - sum(widths) - 3 * 2
        limits = row[3] if len(row[3]) <= room else limits_of(check, short=True)
        lines.append("  ".join([*cells, style(limits, "dim")]))
    return lines


def _finding(check: Check, style: Style) -> list[str]:
    """A failure or a warning: what was seen, against what, from where, what to do, the worst examples."""
    head = style(_WORDS[check.outcome], _COLOURS[check.outcome], "bold")
    lines = [f"{head}  {style(check.probe, 'bold')}", *_wrapped(check.message)]
    if figure_of(check):
        lines += _wrapped(f"figure: {figure_of(check)}" + (f" ({over(check)})" if over(check) else ""))
    if check.limits is not None:
        said = f"limits: {limits_of(check)}; {check.limits.source}".replace("limits: ; ", "limits: ")
        lines += [style(line, "dim") for line in _wrapped(said)]
    if check.parts:
        parts = sorted(check.parts.items(), key=lambda part: -abs(part[1]))[:_PARTS]
        lines += _wrapped("parts: " + ", ".join(f"{name} {number(value)}" for name, value in parts))
    lines += _wrapped(f"do: {check.advice}") if check.advice else []
    for example in telling(check.worst, _EXAMPLES):
        lines += _example(example)
    return lines


def _example(example: Example) -> list[str]:
    moved = change_of(example)
    said = f"- {shown(example.change)}" + (f": {moved}" if moved else "")
    lines = _wrapped(said, further="  ")
    prompt = shown(example.prompt.strip(), longest=WIDTH)
    text = shown(example.completion, longest=_QUOTED)
    lines += _wrapped(f"prompt: {prompt}", indent=_INDENT * 2) if prompt else []
    return lines + _wrapped(f"text: {text or '(empty)'}", indent=_INDENT * 2, further="      ")


def _hanging(name: str, message: str) -> list[str]:
    return _wrapped(f"{name}: {message}", further="  ")


def _wrapped(text: str, *, indent: str = _INDENT, further: str = "") -> list[str]:
    """A paragraph; what hides in it is shown, and characters that are two columns wide count twice."""
    counted = "".join(
        char + _FILL if unicodedata.east_asian_width(char) in _WIDE else char for char in shown(text)
    )
    lines = textwrap.wrap(counted, WIDTH, initial_indent=indent, subsequent_indent=indent + further)
    return [line.replace(_FILL, "") for line in lines]
