"""The report on a reward for a terminal, in 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from vllm_migrate.audit.verdict import Verdict
from vllm_migrate.report.shown import shown
from vllm_migrate.report.style import Style
from vllm_migrate.reward.outcome import Outcome

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check, RewardReport

_WIDTH = 80
_INDENT = " " * 18
_COLOURS = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red"}
_VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}


def render_text(report: RewardReport, *, colour: bool = False) -> str:
    """Verdict first, then one paragraph a check."""
    style = Style(enabled=colour)
    verdict = Verdict.INCONCLUSIVE if report.verdict is None else report.verdict
    lines = [
        f"{style(verdict.value, _VERDICTS[verdict], 'bold')}  {shown(report.reward)}",
        f"{report.samples} completions of {report.prompts} prompts from {shown(report.source)}",
        "",
    ]
    for check in report.checks:
        if check.outcome is not Outcome.OFF:
            lines += _check(check, style)
    return "\n".join(lines) + "\n"


def _check(check: Check, style: Style) -> list[str]:
    word = style(
        f"{check.outcome.value:<16}", *([_COLOURS[check.outcome]] if check.outcome in _COLOURS else [])
    )
    lines = [f"{word}  {style(check.probe, 'bold')}"]
    lines += _wrapped(check.message)
    if check.limits is not None and check.outcome in _COLOURS:
        limits = ", ".join(
            f"{name} {'above' if check.limits.above else 'below'} {limit:g}"
            for name, limit in (("warn", check.limits.warn), ("fail", check.limits.fail))
            if limit is not None
        )
        lines += [style(line, "dim") for line in _wrapped(f"{limits} ({check.limits.source})")]
    lines += _wrapped(f"do: {check.advice}") if check.advice else []
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(shown(text), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
