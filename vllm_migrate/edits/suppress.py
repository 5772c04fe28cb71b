"""Suppression comments: `# vllm-migrate: ignore[VM201, VM802] reason`.

The comment works on its own line, on the line it ends, and, alone on a line, on the line below it. Without
codes it silences everything there; a code may be a prefix (`VM2`). The same comment serves every file kind
that has `#`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vllm_migrate.edits.model import Finding, Position

ALL = "*"
"""Stands for every code."""

MARK = b"vllm-migrate: ignore"
"""What a file must contain to be searched at all."""

_COMMENT = re.compile(rb"#[^\n]*?vllm-migrate:[ \t]*ignore(?![\w-])(?:\[([^\]\n]*)\])?")


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
        codes = _codes(match.group(1)) if match else ()
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
    last = position.end_line - (position.end_column == 1 and position.end_line > position.line)
    codes = {*silenced.get(position.line, ()), *silenced.get(last, ())}
    return any(code in (ALL, "") or finding.code.startswith(code) for code in codes)
