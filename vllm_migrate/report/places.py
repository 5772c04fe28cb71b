"""Where a finding stands, as a reader of the file sees it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from vllm_migrate.edits.positions import position_of
from vllm_migrate.files.located import Span
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Finding, Position
    from vllm_migrate.files.file_facts import FileFacts

_LEAD = re.compile(rb"(?:\s|\\\r?\n|,)*")
_WIDE = frozenset("WF")


def visible_span(source: bytes, span: Span) -> Span:
    """The span without the blanks, continuations and commas at its ends: they go along, but aren't meant."""
    text = source[span.start : span.end]
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    if start == len(text):
        return span
    return Span(span.start + start, span.start + len(text.rstrip(b" \t\r\n,\\")))


def place(finding: Finding, facts: FileFacts) -> Position:
    """Line and column of a finding: 1-based, in code points, end-exclusive."""
    return position_of(facts.source, visible_span(facts.source, finding.span), facts.encoding)


def excerpt(facts: FileFacts, position: Position) -> tuple[str, str]:
    """The finding's first line and a line of carets that stands below what is meant.

    Tabs stay tabs in both, wide characters get two carets, and control characters are made visible, so that
    no file's content can steer the terminal.
    """
    lines = facts.source.removeprefix(b"\xef\xbb\xbf").splitlines()
    raw = lines[position.line - 1].decode(facts.encoding, "replace") if position.line <= len(lines) else ""
    line = raw.rstrip()
    last = position.end_column - 1 if position.end_line == position.line else len(line)
    before, marked = line[: position.column - 1], line[position.column - 1 : last]
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in before)
    return printable(line), pad + "^" * max(1, sum(_width(char) for char in marked))


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1
