"""Splices: the bytes that change and nothing else."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vllm_migrate.edits.model import Splice


class OverlapError(ValueError):
    """Two splices change the same bytes."""


def apply_splices(source: bytes, splices: Iterable[Splice]) -> bytes:
    """The bytes with all splices made.

    Raises:
        OverlapError: where two of them overlap.
    """
    pieces: list[bytes] = []
    at = 0
    for splice in sorted(splices, key=lambda s: (s.start, s.end)):
        if splice.start < at:
            raise OverlapError(f"two edits change byte {splice.start}")
        pieces += [source[at : splice.start], splice.text]
        at = splice.end
    return b"".join([*pieces, source[at:]])


def minimal_splices(before: str, after: str) -> list[tuple[int, int, str]]:
    """The changes between two texts, line by line and then trimmed to the characters that differ.

    Returns:
        `(start, end, text)`: characters `[start, end)` of `before` become `text`.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    offset = sum(map(len, old[:head]))
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    starts = [offset]
    for line in middle_old:
        starts.append(starts[-1] + len(line))
    splices = []
    matcher = SequenceMatcher(None, middle_old, middle_new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            was, becomes = "".join(middle_old[old_from:old_to]), "".join(middle_new[new_from:new_to])
            front = _common(was, becomes)
            back = _common(was[front:][::-1], becomes[front:][::-1])
            start = starts[old_from] + front
            end = starts[old_to] - back
            splices.append((start, end, becomes[front : len(becomes) - back]))
    return splices


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many leading elements are equal."""
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index
    return min(len(one), len(other))
