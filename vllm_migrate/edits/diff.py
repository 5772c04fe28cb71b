"""Unified diffs as bytes: what `git apply` accepts, line endings and all."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePosixPath

_CONTEXT = 3
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_QUOTED = {0x22: b'\\"', 0x5C: b"\\\\", 0x09: b"\\t", 0x0A: b"\\n", 0x0D: b"\\r"}


def unified_diff(path: PurePosixPath, before: bytes, after: bytes) -> bytes:
    r"""The change of one file as `git diff` would print it; empty where there is none.

    Lines end at "\n" only, as for git: the "\r" of a Windows file is part of its lines.
    """
    if before == after:
        return b""
    name = path.as_posix()
    old, new = _lines(before), _lines(after)
    head, tail = _common_ends(old, new)
    matcher = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    changes = [
        (a + head, b + head, c + head, d + head)
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]
    pieces = [b"--- " + _name(f"a/{name}") + b"\n", b"+++ " + _name(f"b/{name}") + b"\n"]
    for hunk in _hunks(changes):
        pieces += _hunk(old, new, hunk)
    return b"".join(pieces)


def _lines(source: bytes) -> list[bytes]:
    lines = source.split(b"\n")
    whole = [line + b"\n" for line in lines[:-1]]
    return [*whole, lines[-1]] if lines[-1] else whole


def _common_ends(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[int, int]:
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail


_Change = tuple[int, int, int, int]


def _hunks(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes that share their context, together."""
    hunk: list[_Change] = []
    for change in changes:
        if hunk and change[0] - hunk[-1][1] > 2 * _CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _hunk(old: Sequence[bytes], new: Sequence[bytes], changes: Sequence[_Change]) -> Iterator[bytes]:
    first, last = changes[0], changes[-1]
    above = min(_CONTEXT, first[0])
    below = min(_CONTEXT, len(old) - last[1])
    old_from, old_to = first[0] - above, last[1] + below
    new_from, new_to = first[2] - above, last[3] + below
    yield b"@@ -%s +%s @@\n" % (_range(old_from, old_to), _range(new_from, new_to))
    at = old_from
    for old_start, old_end, new_start, new_end in changes:
        yield from (_line(b" ", line) for line in old[at:old_start])
        yield from (_line(b"-", line) for line in old[old_start:old_end])
        yield from (_line(b"+", line) for line in new[new_start:new_end])
        at = old_end
    yield from (_line(b" ", line) for line in old[at:old_to])


def _range(start: int, end: int) -> bytes:
    count = end - start
    if count == 1:
        return b"%d" % (start + 1)
    return b"%d,%d" % (start + 1 if count else start, count)


def _line(mark: bytes, line: bytes) -> bytes:
    return mark + line if line.endswith(b"\n") else mark + line + _NO_NEWLINE


def _name(name: str) -> bytes:
    """A file name as git writes it: quoted where it has to be."""
    raw = name.encode("utf-8", "surrogateescape")
    if all(byte > 0x1F and byte not in _QUOTED for byte in raw):  # noqa: PLR2004 (the control characters)
        return raw + b"\t" if b" " in raw else raw
    escaped = b"".join(_QUOTED.get(b) or (bytes([b]) if b > 0x1F else b"\\%03o" % b) for b in raw)  # noqa: PLR2004 (same)
    return b'"' + escaped + b'"'
