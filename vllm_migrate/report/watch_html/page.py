"""The comparison of run logs as one self-contained HTML page: no network, no script, for screen and paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.document import document, style_of
from vllm_migrate.report.audit_html.markup import text, visible
from vllm_migrate.report.audit_html.pieces import bullets, definitions, mark, row, section, table
from vllm_migrate.report.numbers import seconds
from vllm_migrate.report.watch_html.curves import curves
from vllm_migrate.report.watch_words import (
    WORDS,
    at_step,
    basis,
    headline,
    interval_of,
    level_of,
    names_of,
    p_of,
    sees,
    size_of,
    span,
    unit_of,
    worse_of,
)
from vllm_migrate.watch.result import Outcome

if TYPE_CHECKING:
    from vllm_migrate.watch.result import MetricResult, RunSeen, WatchReport

_CSS = {Outcome.IN_BAND: "pass", Outcome.LEFT: "fail", Outcome.NOT_JUDGED: "inconclusive"}
_CAPTION = (
    "p is corrected for the number of metrics. “Would see” is the smallest lasting difference over a quarter "
    "of the run that would have been told; what is smaller could have gone unseen."
)


def render_html(report: WatchReport) -> str:
    """The whole page. The same report always gives the same text."""
    word = WORDS[report.verdict]
    parts = [_head(report), _facts(report), curves(report), _metrics(report), _runs(report)]
    style = style_of("audit_html") + style_of("watch_html")
    return document(f"vllm-migrate watch: {word}", style, parts)


def _head(report: WatchReport) -> str:
    css = "none" if report.verdict is None else report.verdict.value.lower()
    sign = {"pass": "✓ ", "fail": "✕ "}.get(css, "")
    word = f'<span class="verdict {css}">{sign}{WORDS[report.verdict]}</span>'
    sentence = headline(report)
    if report.verdict is not None:  # else it may begin with the name of a file
        sentence = sentence[:1].upper() + sentence[1:]
    return (
        f'<header>\n<p class="meta">vllm-migrate watch</p>\n<div class="lead {css}">{word} '
        f'<code class="reason">{visible(report.reason)}</code>\n'
        f"<h1>{text(sentence)}</h1></div>\n</header>"
    )


def _facts(report: WatchReport) -> str:
    rows = [("What to do", f"<p>{text(report.hint)}</p>")] if report.hint else []
    if report.references:
        said = basis(report)
        rows.append(("How", f"<p>{text(said[:1].upper() + said[1:])}.</p>"))
        rows.append(("Took", text(seconds(report.seconds))))
    if report.not_compared:
        names = ", ".join(f"<code>{visible(name)}</code>" for name in report.not_compared[:60])
        rows.append(("In common, not compared", f"<p>{names}</p>"))
    rows += [("Note", f"<p>{text(note)}</p>") for note in report.notes]
    return definitions(rows)


def _metrics(report: WatchReport) -> str:
    if not report.metrics:
        return ""
    head = [
        "metric",
        "outcome",
        "left at step",
        "by",
        "reference",
        "candidate",
        "p",
        "would see",
        "what was seen",
    ]
    rows = "".join(_metric(one) for one in report.metrics)
    return section("The metrics", table(_CAPTION, head, f"<tbody>{rows}</tbody>", "sticky"))


def _metric(one: MetricResult) -> str:
    name = f'{text(one.label)}<span class="why">{text(unit_of(one))}</span>'
    step = ""
    if one.left is not None:
        step = f'{text(at_step(one).removeprefix("step "))} <span class="ci">{interval_of(one.left)}</span>'
    worse = f' <span class="small">{worse_of(one.left)}</span>' if one.left else ""
    cells = [
        f"<td>{mark(one.outcome.value, _CSS[one.outcome])}</td>",
        f'<td class="n">{step}</td>',
        f'<td class="n">{text(size_of(one))}{worse}</td>',
        f'<td class="n">{text(level_of(one, one.reference_mean))}</td>',
        f'<td class="n">{text(level_of(one, one.candidate_mean))}</td>',
        f'<td class="n">{text(p_of(one))}</td>',
        f'<td class="n">{text(sees(one))}</td>',
        f'<td class="wrap">{text(one.message)}<span class="why">{text(names_of(one))}</span></td>',
    ]
    return row(name, cells)


def _runs(report: WatchReport) -> str:
    sides = [("reference", run) for run in report.references] + [("candidate", r) for r in report.candidates]
    if not sides:
        return ""
    rows = "".join(_run(side, run) for side, run in sides)
    body = table("", ["side", "run", "log", "metrics", "notes"], f"<tbody>{rows}</tbody>", "sticky")
    return section("The runs", body)


def _run(side: str, run: RunSeen) -> str:
    cells = [
        f'<td class="wrap"><code>{visible(run.source, longest=300)}</code></td>',
        f"<td>{text(span(run))}</td>",
        f'<td class="n">{run.metrics}</td>',
        f'<td class="wrap">{bullets(run.notes)}</td>',
    ]
    return row(text(side), cells)
