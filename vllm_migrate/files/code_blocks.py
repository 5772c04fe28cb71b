"""The code blocks of Markdown and reStructuredText, with the lines of each and the language it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_FENCE = re.compile(r"([ \t]*(?:>[ \t]?|[-*+][ \t]+|\d+[.)][ \t]+)*[ \t]*)(`{3,}|~{3,})[ \t]*([^`\r\n]*)")
_DIRECTIVE = re.compile(r"([ \t]*)\.\. (?:code-block|code|sourcecode)::[ \t]*([\w+-]*)[ \t]*\r?(?:\n|\Z)")
_OPTION = re.compile(r"[ \t]+:[\w-]+:")
_LANGUAGE = re.compile(r"\{?(?:code-block\}|code\}|code-cell\}|\.)?[ \t]*([\w+-]+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    Attributes:
        language: as it is written, in lower case; "" where none is.
        lines: the places of its lines, newlines included, without the indentation of the block.
    """

    language: str
    lines: tuple[Span, ...]


def fenced(text: str) -> Iterator[Block]:
    """The fenced blocks of Markdown; one that is never closed ends with the file."""
    lines = _lines(text)
    for line in lines:
        fence = _FENCE.match(text, line.start, line.end)
        if fence is None:
            continue
        language = _LANGUAGE.match(fence[3])
        quoted = fence[1].count(">")
        found: list[Span] = []
        for inner in lines:
            place = _unquoted(text, inner, quoted, len(fence[1].expandtabs()))
            end = _FENCE.match(text, place.start, place.end)
            if end and end[2].startswith(fence[2]) and not end[3].strip() and not end[1].strip():
                break
            found.append(place)
        yield Block(language[1].lower() if language else "", tuple(found))


def _lines(text: str) -> Iterator[Span]:
    at = 0
    while at < len(text):
        line = _LINE.match(text, at)
        assert line is not None  # noqa: S101 (it matches anything)
        at = line.end()
        yield Span(*line.span())


def _unquoted(text: str, line: Span, quoted: int, width: int) -> Span:
    """A line without the quote marks and the indentation that its block has."""
    at = line.start
    for _ in range(quoted):
        mark = re.compile(r"[ \t]*>[ \t]?").match(text, at, line.end)
        at = mark.end() if mark else at
    column = at - line.start
    while at < line.end and column < width and text[at] in " \t":
        column += 1 if text[at] == " " else 8 - column % 8
        at += 1
    return Span(at, line.end)


def directives(text: str) -> Iterator[Block]:
    """The `code-block` directives of reStructuredText."""
    lines = list(_lines(text))
    index = 0
    while index < len(lines):
        directive = _DIRECTIVE.fullmatch(text, lines[index].start, lines[index].end)
        index += 1
        if directive is None:
            continue
        body: list[Span] = []
        while index < len(lines) and _belongs(text, lines[index], len(directive[1].expandtabs())):
            body.append(lines[index])
            index += 1
        while body and (_OPTION.match(text, body[0].start, body[0].end) or not _text(text, body[0])):
            body.pop(0)
        while body and not _text(text, body[-1]):
            body.pop()
        indent = min((_indent(text, line) for line in body if _text(text, line)), default=0)
        yield Block(directive[2].lower(), tuple(Span(min(s.start + indent, s.end - 1), s.end) for s in body))


def _belongs(text: str, line: Span, outer: int) -> bool:
    written = text[line.start : line.end]
    return not written.strip() or _indent(text, Span(line.start, line.end)) > outer


def _text(text: str, line: Span) -> str:
    return text[line.start : line.end].strip()


def _indent(text: str, line: Span) -> int:
    written = text[line.start : line.end]
    return len(written) - len(written.lstrip(" \t"))
