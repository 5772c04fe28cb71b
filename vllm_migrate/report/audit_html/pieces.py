"""The pieces the page's sections are made of: a section, a list of facts, a table, a verdict's mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.words import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vllm_migrate.statistics.verdict import Verdict


def section(title: str, body: str) -> str:
    """A part of the page under a heading; nothing where there is no body."""
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""


def part(title: str, body: str) -> str:
    """A part of a section; nothing where there is no body."""
    return f"<h3>{title}</h3>{body}" if body else ""


def definitions(rows: Sequence[tuple[str, str]]) -> str:
    """Names and what they are, both markup."""
    listed = "".join(f"<dt>{name}</dt>\n<dd>{body}</dd>\n" for name, body in rows)
    return f'<dl class="facts">{listed}</dl>' if rows else ""


def bullets(items: Iterable[str], css: str = "plain") -> str:
    """A list of plain texts; nothing where there are none."""
    listed = "".join(f'<li class="pre">{text(item)}</li>' for item in items)
    return f'<ul class="{css}">{listed}</ul>' if listed else ""


def note(words: str) -> str:
    """A remark in small type, plain text; nothing where there is none."""
    return f'<p class="small">{text(words)}</p>' if words else ""


def verdict_mark(verdict: Verdict | None) -> str:
    """The verdict as mark and word."""
    if verdict is None:
        return '<span class="small">not judged</span>'
    return f'<span class="verdict {verdict.value.lower()}">{MARKS[verdict]} {verdict.value}</span>'


def mark(words: str, css: str) -> str:
    """A word with its mark in a verdict's colour, "pass", "fail" or "inconclusive"; plain text."""
    sign = {"pass": "✓", "fail": "✕", "inconclusive": "?"}[css]
    return f'<span class="verdict {css}">{sign} {text(words)}</span>'


def table(caption: str, head: Sequence[str], body: str, css: str = "") -> str:
    """A table that scrolls sideways where it does not fit. All arguments are markup."""
    cells = "".join(cell if cell.startswith("<th") else f'<th scope="col">{cell}</th>' for cell in head)
    return (
        f'<div class="scroll"><table class="{css}"><caption>{caption}</caption>'
        f"<thead><tr>{cells}</tr></thead>{body}</table></div>"
    )


def row(name: str, cells: Iterable[str], css: str = "") -> str:
    """A table row: its heading, then its cells. Markup."""
    opening = f'<th scope="row" class="{css}">' if css else '<th scope="row">'
    return f"<tr>{opening}{name}</th>{''.join(cells)}</tr>"


def figure(title: str, caption: str, body: str) -> str:
    """A picture under its title, plain text, with what is said beside it."""
    return f"<figure><figcaption><strong>{text(title)}</strong>{text(caption)}</figcaption>{body}</figure>"


def folded(summary: str, body: str) -> str:
    """Something to be opened by the reader; no script is needed. `summary` is plain text."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"
