"""The report on a reward as Markdown, for a comment on a pull request: verdict, findings, probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.markdown_text import LONGEST, code, folded, prose, table, title
from vllm_migrate.report.numbers import number, seconds
from vllm_migrate.report.reward_words import (
    FINDINGS,
    MARKS,
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
from vllm_migrate.reward.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.outcome import Check, RewardReport

_EXAMPLES = 3
_QUOTED = 300


def render_markdown(report: RewardReport) -> str:
    """The report. Findings that would make it longer than a comment can be are left out, and named."""
    word = report.verdict.value if report.verdict else "could not judge"
    page = f"{title('reward', report.verdict, word)}\n{prose(headline(report))}\n\n"
    if report.verdict is None:
        return (
            page + (f"{prose(report.hint)}\n\n" if report.hint else "") + f"Reason: {code(report.reason)}\n"
        )
    page += f"{code(report.reward)} ({prose(report.kind)}), {prose(basis(report))}. {tally(report)}.\n\n"
    missing = []
    for check in in_order(report, *FINDINGS):
        section = finding(check)
        if len(page) + len(section) > LONGEST // 2:
            missing.append(check.probe)
        else:
            page += section
    judged = in_order(report, Outcome.FAIL, Outcome.WARN, Outcome.PASS)
    page += folded("All probes that were judged", _table(judged)) if judged else ""
    left = in_order(report, Outcome.NOT_JUDGED, Outcome.NOT_APPLICABLE)
    if left:
        said = "".join(f"- {code(one.probe)} ({one.outcome.value}): {prose(one.message)}\n" for one in left)
        page += "\n" + folded("Probes that were not judged", said)
    if missing:
        page += f"\nLeft out for length, see the HTML or JSON report: {', '.join(missing)}.\n"
    return page + f"\n<sub>{seconds(report.seconds)}</sub>\n"


def findings(report: RewardReport) -> str:
    """Failures and warnings, whatever their length."""
    return "".join(finding(check) for check in in_order(report, *FINDINGS))


def finding(check: Check) -> str:
    """A failure or a warning, with its worst examples folded away."""
    said = f"**{MARKS[check.outcome]} {check.probe}**: {prose(check.message)}\n\n"
    if check.figure is not None:
        said += f"- figure: {figure_of(check)} ({prose(over(check))})\n"
    if check.limits is not None:
        said += f"- limits: {limits_of(check)}; {prose(check.limits.source)}\n"
    if check.parts:
        said += (
            "- parts: " + ", ".join(f"{prose(name)} {number(at)}" for name, at in check.parts.items()) + "\n"
        )
    if check.advice:
        said += f"- do: {prose(check.advice)}\n"
    examples = telling(check.worst, _EXAMPLES)
    if examples:
        rows = [
            [
                prose(example.change, longest=_QUOTED),
                change_of(example),
                code(example.completion, longest=_QUOTED) or "(empty)",
            ]
            for example in examples
        ]
        said += "\n" + folded("Worst examples", table(["change", "reward", "text"], rows))
    return said + "\n"


def _table(checks: Sequence[Check]) -> str:
    rows = [
        [
            check.probe,
            f"{MARKS[check.outcome]} {check.outcome.value}",
            figure_of(check),
            prose(over(check)),
            limits_of(check),
        ]
        for check in checks
    ]
    return table(["probe", "outcome", "figure", "of", "limits"], rows)
