"""Writes changed cells into a notebook: their source strings, and no other byte of the file.

Characters that stay are kept as they are written, escapes included; lines that stay keep their place in the
array of lines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Splice
from vllm_migrate.files.notebook_json import code_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vllm_migrate.files.notebook_json import Cell, Element


def cell_splices(source: bytes, changes: Iterable[Splice]) -> tuple[Splice, ...]:
    """What has to be spliced into a notebook's bytes so that its cells change.

    Args:
        source: the notebook.
        changes: each replaces the characters written in a range of its bytes, inside one cell, by text.
    """
    cells = code_cells(source)
    gap = next((_gaps(source, cell)[0] for cell in cells if len(cell.elements) > 1), b"")
    pending = list(changes)
    splices: list[Splice] = []
    for cell in cells:
        own = [c for c in pending if cell.value.start <= c.start and c.end <= cell.value.end]
        if own:
            edited = _Edited(source, cell, own)
            text = edited.listed(gap) if cell.listed else edited.string(0, len(cell.text))
            splices.append(Splice(cell.value.start, cell.value.end, text))
    return tuple(splices)


def _gaps(source: bytes, cell: Cell) -> list[bytes]:
    """What stands between the strings of an array."""
    return [source[one.place.end : other.place.start] for one, other in pairwise(cell.elements)]


@dataclass(frozen=True, slots=True)
class _Change:
    """Characters `[first, last)` become `text`."""

    first: int
    last: int
    text: str


class _Edited:
    """One cell with its changes."""

    def __init__(self, source: bytes, cell: Cell, splices: Sequence[Splice]) -> None:
        self._source = source
        self._cell = cell
        self._ascii = source.isascii()
        self._changes = sorted(
            (
                _Change(
                    self._character(s.start), self._character(s.end, after=s.end > s.start), s.text.decode()
                )
                for s in splices
            ),
            key=lambda change: (change.first, change.last),
        )

    def _character(self, offset: int, *, after: bool = False) -> int:
        """The character that begins, or the one before which another ends, at a byte."""
        for run in self._cell.runs:
            start, end = run.place.start, run.place.end
            if start < offset <= end if after else start <= offset < end:
                if run.escape:
                    return run.last if after else run.first
                return run.first + len(self._source[start:offset].decode())
        return len(self._cell.text)

    def string(self, first: int, last: int) -> bytes:
        """The characters `[first, last)` with their changes as one JSON string."""
        return b'"' + b"".join(raw for _, raw in self._written(first, last)) + b'"'

    def _written(self, first: int, last: int) -> Iterator[tuple[str, bytes]]:
        """Each character as it is to be written."""
        at = first
        for change in self._changes:
            if change.first < first or change.last > last or (change.first == last != len(self._cell.text)):
                continue
            yield from self._kept(at, change.first)
            for character in change.text:
                yield character, json.dumps(character, ensure_ascii=self._ascii)[1:-1].encode()
            at = change.last
        yield from self._kept(at, last)

    def _kept(self, first: int, last: int) -> Iterator[tuple[str, bytes]]:
        for text, place, escape in self._cell.pieces(first, last):
            if escape:
                yield text, self._source[place.start : place.end]
            else:
                yield from ((character, character.encode()) for character in text)

    def listed(self, usual_gap: bytes) -> bytes:
        """The cell as an array of strings."""
        cell, source = self._cell, self._source
        elements = cell.elements
        if not elements:
            text = "".join(change.text for change in self._changes)
            lines = [
                json.dumps(line, ensure_ascii=self._ascii).encode() for line in text.splitlines(keepends=True)
            ]
            return b"[" + (usual_gap or b", ").join(lines) + b"]"
        lead = source[cell.value.start + 1 : elements[0].place.start]
        gaps = _gaps(source, cell)
        gap = gaps[0] if gaps else b"," + lead if b"\n" in lead else usual_gap or b", "
        strings: list[tuple[bytes, bytes]] = []
        for first, last in self._groups():
            before = gaps[first - 1] if first else gap
            strings += [
                (before if index == 0 else gap, string)
                for index, string in enumerate(self._lines(first, last))
            ]
        if not strings:
            return b"[]"
        tail = source[elements[-1].place.end : cell.value.end]
        rest = b"".join(before + string for before, string in strings[1:])
        return b"[" + lead + strings[0][1] + rest + tail

    def _groups(self) -> Iterator[tuple[int, int]]:
        """Runs of strings, by index: each by itself, or those that a change joins."""
        elements = self._cell.elements
        at = 0
        while at < len(elements):
            end = at + 1
            while end < len(elements) and self._joins(elements[at:end]):
                end += 1
            yield at, end
            at = end

    def _joins(self, group: Sequence[Element]) -> bool:
        """Whether the strings of a group can't end where they do: a change goes on, or their newline goes."""
        first, last = group[0].first, group[-1].last
        if any(change.first < last < change.last for change in self._changes):
            return True
        if not self._touched(first, last) or not self._cell.text[first:last].endswith("\n"):
            return False
        text = "".join(character for character, _ in self._written(first, last))
        return bool(text) and not text.endswith("\n")

    def _touched(self, first: int, last: int) -> bool:
        end = len(self._cell.text)
        return any(
            (change.first < last and change.last > first)
            or (change.first == change.last and (first <= change.first < last or change.first == last == end))
            for change in self._changes
        )

    def _lines(self, start: int, stop: int) -> list[bytes]:
        """The strings that take the place of the strings `[start, stop)`."""
        elements = self._cell.elements[start:stop]
        first, last = elements[0].first, elements[-1].last
        if not self._touched(first, last):
            return [self._source[one.place.start : one.place.end] for one in elements]
        written = list(self._written(first, last))
        lines: list[bytes] = []
        at = 0
        for line in "".join(character for character, _ in written).splitlines(keepends=True):
            lines.append(b'"' + b"".join(raw for _, raw in written[at : at + len(line)]) + b'"')
            at += len(line)
        return lines
