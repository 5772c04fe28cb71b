"""Taking a setting out of a file that is no Python: what goes with it so that nothing dangles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import RemoveArgument, RemoveStatement, ReplaceText
from vllm_migrate.files.located import FileKind, Form, Span

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.located import Argument, FileFacts, Variable


def remove_argument(file: FileFacts, argument: Argument) -> Edit | None:
    """The edit that takes the argument out, or None where that takes a reader."""
    if argument.form in (Form.KEYWORD, Form.DICT):
        return RemoveArgument(argument.span)
    if file.kind is FileKind.SHELL:
        return ReplaceText(_word_with_line(file.source, argument.span), "")
    if file.kind is FileKind.YAML and argument.form is Form.KEY:
        line = _only_line(file.source, argument.span)
        return ReplaceText(line, "") if line and _has_siblings(file.source, line) else None
    return None


def remove_variable(file: FileFacts, variable: Variable) -> Edit | None:
    """The edit that takes the setting of a variable out, or None where that takes a reader."""
    if not variable.removable:
        return None
    if file.kind is FileKind.PYTHON:
        return RemoveStatement(variable.span)
    if file.kind is FileKind.SHELL:
        span = _word_with_line(file.source, variable.span)
        return (
            ReplaceText(variable.span, ":") if _alone_in_block(file.source, span) else ReplaceText(span, "")
        )
    if file.kind is FileKind.YAML:
        line = _only_line(file.source, variable.span)
        return ReplaceText(line, "") if line and _has_siblings(file.source, line) else None
    return None


def _line_of(source: bytes, span: Span) -> Span:
    """The line or lines the span touches, with the last line's ending."""
    start = source.rfind(b"\n", 0, span.start) + 1
    newline = source.find(b"\n", max(span.start, span.end - 1))
    return Span(start, len(source) if newline < 0 else newline + 1)


def _only_line(source: bytes, span: Span) -> Span | None:
    """The span's line where there's nothing else on it but a comment."""
    line = _line_of(source, span)
    before, after = source[line.start : span.start], source[span.end : line.end]
    return line if not before.strip() and re.fullmatch(rb"\s*(#.*)?\s*", after) else None


def _has_siblings(source: bytes, line: Span) -> bool:
    """Whether a YAML entry has another at its own indentation beside it, so that its parent doesn't become null."""

    def indent(text: bytes) -> int:
        return len(text) - len(text.lstrip(b" "))

    own = indent(source[line.start : line.end])
    for neighbours in (reversed(source[: line.start].splitlines()), source[line.end :].splitlines()):
        for text in neighbours:
            if not text.strip() or text.lstrip().startswith(b"#"):
                continue
            if indent(text) == own and not text.lstrip().startswith(b"- "):
                return True
            if indent(text) < own:
                break
    return False


def _word_with_line(source: bytes, span: Span) -> Span:
    """What goes with words of a shell command: the blank before them, or the whole line where they stand alone on it.

    On the last line of a continued command the backslash of the line before goes too.
    """
    line = _line_of(source, span)
    before, after = source[line.start : span.start], source[span.end : line.end]
    if before.strip():
        blank = len(before) - len(before.rstrip(b" \t"))
        return Span(span.start - blank, span.end)
    rest = after.strip()
    if rest == b"\\" or (not rest and not _continued(source, line.start)) or rest.startswith(b"#"):
        return line
    if not rest:
        cut = re.search(rb"[ \t]*\\\r?\n\Z", source[: line.start])
        return Span(cut.start() if cut else line.start, span.end)
    blank = len(after) - len(after.lstrip(b" \t"))
    return Span(span.start, span.end + blank)


def _continued(source: bytes, line_start: int) -> bool:
    return bool(re.search(rb"\\\r?\n\Z", source[:line_start]))


def _alone_in_block(source: bytes, span: Span) -> bool:
    """Whether a shell block would be left empty, which is no valid shell."""

    def words(text: bytes) -> list[list[bytes]]:
        lines = (line.split(b"#")[0].replace(b";", b" ").split() for line in text.splitlines())
        return [line for line in lines if line]

    before, after = words(source[: span.start]), words(source[span.end :])
    opens = bool(before) and before[-1][-1] in (b"then", b"do", b"else", b"{")
    return opens and bool(after) and after[0][0] in (b"fi", b"done", b"else", b"elif", b"}")
