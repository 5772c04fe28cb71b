"""What an audit's page says of the reward itself: the verdict, the table of probes, the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import section, verdict_mark
from vllm_migrate.report.reward_html.findings import finding_list
from vllm_migrate.report.reward_html.table import probe_table
from vllm_migrate.report.reward_words import basis, headline, tally

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import RewardReport


def check_section(report: RewardReport) -> str:
    """The section."""
    said = (
        f"{headline(report)}. Asked about {basis(report)}: {tally(report)}."
        if report.checks
        else headline(report)
    )
    head = f"<p>{verdict_mark(report.verdict)} {text(said[:1].upper() + said[1:])}</p>"
    return section("The reward itself", head + probe_table(report) + finding_list(report))
