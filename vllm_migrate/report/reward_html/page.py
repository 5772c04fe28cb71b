"""The report on a reward as one self-contained HTML page: no network, no script, for screen and paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.document import document, style_of
from vllm_migrate.report.audit_html.markup import text, visible
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
    parts = [_head(report), _facts(report), plots(report), probes(report), findings(report)]
    style = style_of("audit_html") + style_of("reward_html")
    return document(f"vllm-migrate reward: {word}", style, parts)


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
