"""Suppression comments: `# vllm-migrate: ignore[VM201, VM802] reason`.

The comment works on its own line, on the line it ends, and, alone on a line, on the line below it. Without
codes it silences everything there; a code may be a prefix (`VM2`). The same comment serves every file kind
that has `#`.

That a comment silences nothing is a finding, too (VM004). Only its own code silences that: every useless
comment would silence the finding about itself otherwise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vllm_migrate.edits.model import Finding, Position

ALL = "*"
"""Stands for every code."""

MARK = b"vllm-migrate: ignore"
"""What a file must contain to be searched at all."""

UNUSED = "VM004"
"""The code of the finding that a comment silences nothing."""

_COMMENT = re.compile(rb"#[^\n]*?vllm-migrate:[ \t]*ignore(?![\w-])(?:\[([^\]\n]*)\])?")


class Code(str):
    """A code or prefix in a comment, and the 1-based line of that comment."""

    __slots__ = ("line",)
    line: int

    def __new__(cls, text: str, line: int) -> Code:  # noqa: PYI034 - typing has no Self before 3.11
        """The code `text`, written on `line`."""
        made = super().__new__(cls, text)
        made.line = line
        return made


def suppressions(source: bytes) -> dict[int, tuple[str, ...]]:
    """Codes silenced per 1-based line; `("*",)` where the comment names none.

    A comment that stands alone on its line also covers the next line that is neither blank nor comment.
    """
    if b"vllm-migrate:" not in source:
        return {}
    found: dict[int, tuple[str, ...]] = {}
    waiting: tuple[str, ...] = ()
    for number, line in enumerate(source.split(b"\n"), start=1):
        match = _COMMENT.search(line)
        bare = line.strip()
        codes = tuple(Code(code, number) for code in _codes(match.group(1))) if match else ()
        if codes:
            found[number] = (*found.get(number, ()), *codes)
        if bare.startswith(b"#"):
            waiting += codes
        elif bare and waiting:
            found[number] = (*found.get(number, ()), *waiting)
            waiting = ()
    return found


def _codes(listed: bytes | None) -> tuple[str, ...]:
    if listed is None:
        return (ALL,)
    names = listed.decode("ascii", "replace").replace(",", " ").split()
    return tuple(name.upper() for name in names) or (ALL,)


def is_suppressed(finding: Finding, position: Position, silenced: Mapping[int, Iterable[str]]) -> bool:
    """Whether a comment on the finding's first or last line silences it.

    An end at the start of a line (a span that takes a line's newline along) does not reach that line.
    """
    return bool(silencing(finding, position, silenced))


def silencing(finding: Finding, position: Position, silenced: Mapping[int, Iterable[str]]) -> list[str]:
    """The codes in comments that silence a finding."""
    last = position.end_line - (position.end_column == 1 and position.end_line > position.line)
    codes = [code for line in {position.line, last} for code in silenced.get(line, ())]
    if finding.code == UNUSED:
        return [code for code in codes if code == UNUSED]
    return [code for code in codes if code == ALL or finding.code.startswith(code)]


def comment_at(source: bytes, line: int) -> Span:
    """The span of the suppression comment on a 1-based line, from its `#` to the end of its codes."""
    start = 0
    for _ in range(line - 1):
        start = source.index(b"\n", start) + 1
    match = _COMMENT.search(source, start)
    return Span(*match.span()) if match else Span(start, start)
