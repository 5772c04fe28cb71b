"""Every probe with its figure, its limits and where these come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import estimate, text
from vllm_migrate.report.audit_html.pieces import folded, row, section, table
from vllm_migrate.report.numbers import number
from vllm_migrate.report.reward_words import JUDGED, MARKS, limits_of, over, unit_of
from vllm_migrate.reward.outcome import Outcome

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check, RewardReport

_CSS = {Outcome.PASS: "pass", Outcome.WARN: "warn", Outcome.FAIL: "fail"}
_CAPTION = (
    "A figure that is an estimate fails where its whole 95% interval lies beyond the limit; where only the "
    "figure does, that is a warning. What does not apply to this reward has not passed."
)


def probes(report: RewardReport) -> str:
    """The section; empty where nothing was asked."""
    return section("What was asked", probe_table(report))


def probe_table(report: RewardReport) -> str:
    """The probes that were judged, and folded those that were not."""
    judged = [check for check in report.checks if check.outcome in JUDGED]
    left = [check for check in report.checks if check.outcome not in JUDGED]
    body = ""
    if judged:
        head = ["probe", "outcome", "figure", "limits", "what was seen"]
        rows = "".join(_judged(check) for check in judged)
        body += table(_CAPTION, head, f"<tbody>{rows}</tbody>", "sticky")
    if left:
        rows = "".join(_left(check) for check in left)
        body += folded(
            f"{len(left)} probes that were not judged, and why"
            if len(left) > 1
            else "1 probe was not judged",
            table("", ["probe", "outcome", "why"], f"<tbody>{rows}</tbody>", "sticky"),
        )
    return body


def outcome_mark(outcome: Outcome) -> str:
    """The outcome as sign and word."""
    if outcome not in _CSS:
        return f'<span class="small">{text(outcome.value)}</span>'
    return f'<span class="verdict {_CSS[outcome]}">{MARKS[outcome]} {outcome.value.upper()}</span>'


def _judged(check: Check) -> str:
    figure = "" if check.figure is None else estimate(check.figure, unit_of(check))
    what = f'<span class="why">{text(over(check))}</span>' if figure and over(check) else ""
    source = "" if check.limits is None else f'<span class="why">{text(check.limits.source)}</span>'
    cells = [
        f"<td>{outcome_mark(check.outcome)}</td>",
        f"<td>{figure}{what}</td>",
        f"<td>{text(limits_of(check))}{source}</td>",
        f'<td class="wrap">{text(check.message)}{parts(check)}</td>',
    ]
    return row(f"<code>{text(check.probe)}</code>", cells)


def parts(check: Check) -> str:
    """The figures by family, folded."""
    if not check.parts:
        return ""
    rows = "".join(
        row(text(name), [f'<td class="n">{number(value)}</td>']) for name, value in check.parts.items()
    )
    return folded("by family", table("", ["family", "figure"], f"<tbody>{rows}</tbody>"))


def _left(check: Check) -> str:
    cells = [f"<td>{outcome_mark(check.outcome)}</td>", f'<td class="wrap">{text(check.message)}</td>']
    return row(f"<code>{text(check.probe)}</code>", cells).replace("<tr>", '<tr class="left-out">', 1)
