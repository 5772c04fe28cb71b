"""The report on a reward as one self-contained HTML page: no network, no script, for screen and paper."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text, visible
from vllm_migrate.report.audit_html.page import POLICY
from vllm_migrate.report.audit_html.pieces import definitions, verdict_mark
from vllm_migrate.report.numbers import seconds
from vllm_migrate.report.reward_html.findings import findings
from vllm_migrate.report.reward_html.plots import plots
from vllm_migrate.report.reward_html.table import probes
from vllm_migrate.report.reward_words import basis, headline, tally

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import RewardReport


def render_html(report: RewardReport) -> str:
    """The whole page. The same report always gives the same text.

    Args:
        report: what was found; where nothing could be examined (`verdict` is None) the page says why.
    """
    word = "COULD NOT JUDGE" if report.verdict is None else report.verdict.value
    parts = [_head(report), _facts(report), *sections(report)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{text(f'vllm-migrate reward: {word}')}</title>\n<style>\n{style()}</style>\n"
        "</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def sections(report: RewardReport) -> list[str]:
    """What follows the head: pictures, the table of probes, the findings."""
    return [plots(report), probes(report), findings(report)]


def style() -> str:
    """The audit's style sheet, and what a reward's page has more."""
    sheets = (
        ("vllm_migrate.report.audit_html", "style.css"),
        ("vllm_migrate.report.reward_html", "style.css"),
    )
    return "".join(
        resources.files(where).joinpath(name).read_text(encoding="utf-8") for where, name in sheets
    )


def _head(report: RewardReport) -> str:
    css = "none" if report.verdict is None else report.verdict.value.lower()
    could_not = '<span class="verdict">COULD NOT JUDGE</span>'
    word = could_not if report.verdict is None else verdict_mark(report.verdict)
    sentence = headline(report)
    return (
        f'<header>\n<p class="meta">vllm-migrate reward · {visible(report.reward, longest=400)}</p>\n'
        f'<div class="lead {css}">{word} <code class="reason">{visible(report.reason)}</code>\n'
        f"<h1>{text(sentence[:1].upper() + sentence[1:])}</h1></div>\n</header>"
    )


def _facts(report: RewardReport) -> str:
    rows = []
    further = report.message.partition("\n")[2] if report.verdict is None else report.message
    if further:
        rows.append(("Message", f'<p class="pre">{text(further)}</p>'))
    if report.hint:
        rows.append(("What to do", f"<p>{text(report.hint)}</p>"))
    rows.append(("Reward", f"<code>{visible(report.reward, longest=400)}</code> ({text(report.kind)})"))
    if report.taken:
        rows.append(("Called as", "<br/>".join(text(said) for said in report.taken)))
    if report.samples:
        rows.append(("Asked about", text(basis(report))))
    if report.checks:
        rows.append(("Probes", text(tally(report))))
        rows.append(("Took", text(seconds(report.seconds))))
    return definitions(rows)
