"""A Dockerfile as instructions with byte positions: continuations, comments between them, heredocs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEYWORD = re.compile(r"[ \t]*([A-Za-z]+)(?=[ \t\r\n]|\\\r?\n|\Z)[ \t]*")
_ESCAPE = re.compile(r"[ \t]*#[ \t]*escape[ \t]*=[ \t]*`", re.IGNORECASE)
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*\w+[ \t]*=")
_HEREDOC = re.compile(r"""(?<![<\w])\d*<<(-?)[ \t]*(["']?)([A-Za-z_]\w*)\2""")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A body below an instruction.

    Attributes:
        mark: where it is announced; `body` its lines without the one that ends it.
        tabs: leading tabs are taken off.
    """

    mark: Span
    body: Span
    tabs: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: in upper case; `keyword_span` its place.
        content: what follows it, line by line without the comments between, each with its continuation.
        lines: all its lines, heredocs included, with the last newline.
    """

    keyword: str
    keyword_span: Span
    content: tuple[Span, ...]
    lines: Span
    heredocs: tuple[Heredoc, ...] = ()


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile, read as latin-1.

    Raises:
        InputError: where it changes the character that continues lines, or something is no instruction.
    """
    at = 3 if text.startswith("\xef\xbb\xbf") else 0
    while _DIRECTIVE.match(text, at):
        if _ESCAPE.match(text, at):
            raise InputError("continues lines with `, as on Windows, which can't be read here")
        at = _next_line(text, at)
    while at < len(text):
        line = text[at : _next_line(text, at)]
        if not line.strip() or line.lstrip().startswith("#"):
            at += len(line)
            continue
        keyword = _KEYWORD.match(text, at)
        if keyword is None:
            raise InputError(f"line {text.count(chr(10), 0, at) + 1}: no instruction of a Dockerfile")
        found = _instruction(text, at, keyword)
        yield found
        at = found.lines.end


def _instruction(text: str, start: int, keyword: re.Match[str]) -> Instruction:
    content: list[Span] = []
    at = keyword.end()
    while True:
        end = _next_line(text, at)
        line = text[at:end].rstrip("\r\n")
        whole = text[text.rfind("\n", 0, at) + 1 : end].strip() if content else "instruction"
        if whole.startswith("#") or not whole:
            if end >= len(text):
                break
            at = end
            continue
        content.append(Span(at, end))
        if not line.rstrip(" \t").endswith("\\") or end >= len(text):
            break
        at = end
    name = keyword[1].upper()
    heredocs: list[Heredoc] = []
    if name in _WITH_HEREDOCS:
        for mark in [m for span in content for m in _HEREDOC.finditer(text, span.start, span.end)]:
            heredocs.append(_heredoc(text, end, mark))
            end = _next_line(text, heredocs[-1].body.end)
    return Instruction(name, Span(*keyword.span(1)), tuple(content), Span(start, end), tuple(heredocs))


def _heredoc(text: str, start: int, mark: re.Match[str]) -> Heredoc:
    at, tabs = start, bool(mark[1])
    while at < len(text):
        end = _next_line(text, at)
        line = text[at:end].rstrip("\r\n")
        if (line.lstrip("\t") if tabs else line) == mark[3]:
            return Heredoc(Span(*mark.span()), Span(start, at), tabs)
        at = end
    raise InputError(f"line {text.count(chr(10), 0, mark.start()) + 1}: {mark.group()} is never closed")


def _next_line(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1
