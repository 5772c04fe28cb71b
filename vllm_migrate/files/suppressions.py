"""Suppression comments: `# vllm-migrate: ignore[VM201, VM802] reason`.

The comment works on its own line, on the line it ends, and, alone on a line, on the line below it. Without
codes it silences everything there; a code may be a prefix (`VM2`). The same comment serves every file kind
that has `#`.
"""

from __future__ import annotations

import re

from vllm_migrate.files.located import Span

ALL = "*"
"""Stands for every code."""

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


def comment_at(source: bytes, line: int) -> Span:
    """The span of the suppression comment on a 1-based line, from its `#` to the end of its codes."""
    start = 0
    for _ in range(line - 1):
        start = source.index(b"\n", start) + 1
    match = _COMMENT.search(source, start)
    return Span(*match.span()) if match else Span(start, start)
