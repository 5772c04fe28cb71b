"""Here-documents of shell scripts: code and settings that a script hands to a program or writes to a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.kinds import FileKind, kind_by_name
from vllm_migrate.files.parts import Collector, Part
from vllm_migrate.files.shell_words import heredocs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.shell_words import Heredoc

    Reader = Callable[[FileKind, bytes], FileFacts]

_WRITTEN_TO = re.compile(r"""(?:>>?|\btee\b(?:[ \t]+-a)?)[ \t]*["']?([^\s"'|;&<>()]+)""")
_PYTHON = re.compile(r"(?:^|[\s;&|/(])(?:python[\d.]*|ipython|torchrun)(?:[ \t]+-)?[ \t]*(?=<<)")
_SHELL = re.compile(r"(?:^|[\s;&|/(\"'])(?:ba|da|z|k)?sh(?:[ \t]+-\w*)*[ \t]*[\"']?[ \t]*(?=<<)")
_EXPANDED = re.compile(r"\$\{\w+\}|\$[A-Za-z_]\w*")
_ELSE_EXPANDED = re.compile(r"(?<!\\)[$`]")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


def heredoc_parts(text: str, source: bytes, read: Reader) -> Iterator[Part]:
    """What stands in here-documents and is of a kind that can be read.

    Args:
        text: the script as latin-1.
        source: its bytes.
        read: reads a part as a file of the kind it is of.

    Raises:
        InputError: where the body is handed on as it is and can't be read as what it is.
    """
    for found in heredocs(text, 0, len(text)):
        kind = _kind(text[found.line.start : found.line.end])
        body = source[found.body.start : found.body.end]
        if kind is None:
            continue
        out = Collector(source)
        if not _collect(out, text, found, kind):
            continue
        try:
            facts = read(kind, out.text)
        except InputError as error:
            if not found.quoted or b"vllm" not in body.lower():
                continue  # what it is when everything is expanded only running tells
            line = text.count("\n", 0, found.body.start) + 1
            raise InputError(f"line {line}: here-document: {error.message}", hint=error.hint) from None
        yield Part(facts, out.segments)


def _kind(line: str) -> FileKind | None:
    """What a here-document is, told by the file it is written to or the program that reads it."""
    if _PYTHON.search(line):
        return FileKind.PYTHON
    if _SHELL.search(line):
        return FileKind.SHELL
    target = _WRITTEN_TO.search(line)
    kind = kind_by_name(target[1].rpartition("/")[2]) if target is not None else None
    return kind if kind in (FileKind.PYTHON, FileKind.SHELL, FileKind.YAML) else None


def _collect(out: Collector, text: str, found: Heredoc, kind: FileKind) -> bool:
    """The body as the program gets it; False where that can't be told well enough to edit it."""
    at, end = found.body.start, found.body.end
    body = text[at:end]
    gaps = [match.span() for match in _LEADING_TABS.finditer(body)] if found.tabs else []
    if found.quoted or kind is FileKind.SHELL:
        expanded = []
    else:
        expanded = [match.span() for match in _EXPANDED.finditer(body)]
        if "\\" in body or _ELSE_EXPANDED.search(_EXPANDED.sub("", body)):
            return False
    if kind is FileKind.SHELL and not found.quoted and ("\\$" in body or "\\`" in body):
        return False
    for start, stop in sorted([*gaps, *expanded]):
        out.take(at, found.body.start + start)
        at = found.body.start + stop
        if (start, stop) in expanded:
            name = re.sub(r"\W", "_", body[start:stop])  # a name, which may stand in code and in strings
            out.put(name.encode("latin-1"), found.body.start + start, at)
    out.take(at, end)
    return out.size > 0
