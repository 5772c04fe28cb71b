"""Failures and warnings: what was seen, what to do about it, and the worst examples in their own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import estimate, text, visible
from vllm_migrate.report.audit_html.pieces import definitions, section
from vllm_migrate.report.reward_html.table import outcome_mark
from vllm_migrate.report.reward_words import FINDINGS, change_of, in_order, limits_of, over, telling, unit_of

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check, Example, RewardReport

_QUOTED = 1200
_PROMPT = 400


def findings(report: RewardReport) -> str:
    """The section, failures before warnings; empty where there are none."""
    return section("Findings", finding_list(report))


def finding_list(report: RewardReport) -> str:
    """The findings, one block each."""
    return "".join(_finding(check) for check in in_order(report, *FINDINGS))


def _finding(check: Check) -> str:
    rows = []
    if check.figure is not None:
        what = f' <span class="small">{text(over(check))}</span>' if over(check) else ""
        rows.append(("Figure", estimate(check.figure, unit_of(check)) + what))
    if check.limits is not None:
        rows.append(
            ("Limits", f'{text(limits_of(check))} <span class="small">{text(check.limits.source)}</span>')
        )
    if check.advice:
        rows.append(("What to do", text(check.advice)))
    return (
        f'<div class="finding {check.outcome.value}"><h3>{outcome_mark(check.outcome)} '
        f"<code>{text(check.probe)}</code></h3><p>{text(check.message)}</p>{definitions(rows)}"
        f"{''.join(map(_example, telling(check.worst, len(check.worst))))}</div>"
    )


def _example(example: Example) -> str:
    """One text; every character of it is shown, none is markup."""
    moved = change_of(example)
    said = f"{text(example.change)}" + (f': <strong class="num">{text(moved)}</strong>' if moved else "")
    prompt = f'<p class="small">after the prompt {visible(example.prompt, longest=_PROMPT)}</p>'
    quoted = text(example.completion, longest=_QUOTED) or '<span class="small">(empty)</span>'
    return (
        f'<div class="example"><p>{said}</p>{prompt if example.prompt.strip() else ""}'
        f"<blockquote>{quoted}</blockquote></div>"
    )
