"""Taking a setting out of a file that is no Python: what goes with it so that nothing dangles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import RemoveArgument, RemoveItems, RemoveStatement, ReplaceText
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Form, Span

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Variable


def remove_argument(file: FileFacts, argument: Argument) -> Edit | None:
    """The edit that takes the argument out, or None where that takes a reader."""
    if argument.fixed:
        return None
    if argument.items is not None:
        python = file.kind is FileKind.PYTHON
        return RemoveItems(argument.items) if python else ReplaceText(argument.items, "")
    if argument.form in (Form.KEYWORD, Form.DICT):
        return RemoveArgument(argument.span)
    if file.kind is FileKind.SHELL or argument.form is Form.FLAG:
        return ReplaceText(_words(file.source, argument.span), "")
    if file.kind is FileKind.TOML:
        return ReplaceText(argument.span, "") if written_as_toml(file, argument) else None
    if file.kind is FileKind.YAML:
        return ReplaceText(_entry(file, argument.span, argument.name_span), "")
    return None


def remove_variable(file: FileFacts, variable: Variable) -> Edit | None:
    """The edit that takes the setting of a variable out, or None where that takes a reader."""
    if not variable.removable:
        return None
    if file.kind is FileKind.PYTHON:
        return RemoveStatement(variable.span)
    if _alone_in_block(file.source, variable.span):
        return ReplaceText(variable.span, ":")
    return ReplaceText(variable.span, "")


def _entry(file: FileFacts, span: Span, name_span: Span) -> Span:
    """What goes with a YAML entry: its span, or, where it is an override in a script inside, its word."""
    written_as_key = file.source[name_span.end : name_span.end + 2].lstrip(b"\"'").startswith(b":")
    return span if written_as_key else _words(file.source, span)


def written_as_toml(file: FileFacts, argument: Argument) -> bool:
    """Whether an argument is a key of a TOML file, not an override in a command that stands in a string."""
    before = file.source[argument.span.start : argument.name_span.start].rstrip(b" \t")
    return not before.endswith(b".") or b"\n" in file.source[argument.name_span.end : argument.span.end]


def _words(source: bytes, span: Span) -> Span:
    """What goes with words of a shell command.

    The blanks and line continuations between them and the word before; where there is none, their line if
    they have it to themselves, else the blanks after them.
    """
    start = span.start
    while start > 0:
        if source[start - 1 : start] in (b" ", b"\t"):
            start -= 1
        elif source[:start].endswith(b"\\\n"):
            start -= 2
        elif source[:start].endswith(b"\\\r\n"):
            start -= 3
        else:
            break
    if 0 < start < span.start and source[start - 1 : start] != b"\n":
        return Span(start, span.end)
    line = source.rfind(b"\n", 0, span.start) + 1
    newline = source.find(b"\n", span.end)
    stop = len(source) if newline < 0 else newline + 1
    rest = source[span.end : stop].strip()
    if not source[line : span.start].strip() and (not rest or rest.startswith(b"#")):
        return Span(line, stop)
    after = re.match(rb"(?:[ \t]|\\\r?\n)*", source[span.end :])
    return Span(span.start, span.end + (after.end() if after else 0))


def _alone_in_block(source: bytes, span: Span) -> bool:
    """Whether a shell block would be left empty, which is no valid shell."""

    def words(text: bytes) -> list[list[bytes]]:
        lines = (line.split(b"#")[0].replace(b";", b" ").split() for line in text.splitlines())
        return [line for line in lines if line]

    before, after = words(source[: span.start]), words(source[span.end :])
    opens = bool(before) and before[-1][-1] in (b"then", b"do", b"else", b"{")
    return opens and bool(after) and after[0][0] in (b"fi", b"done", b"else", b"elif", b"}")
