"""CSV and TSV: a header, then a row a step.

W&B's exports name their columns after the run; that is taken off.
"""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.watch.readers.base import Reader
from vllm_migrate.watch.readers.steps import add_row, step_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from vllm_migrate.watch.run import Collector

_RANGES = ("__MIN", "__MAX")
_OF_RUN = " - "
_LONGEST = 1 << 24


class CsvReader(Reader):
    """One file with a header. A quoted line feed inside a cell is not read."""

    kind = "CSV"

    def __init__(self, path: Path, collector: Collector, *, step: str = "") -> None:
        super().__init__(path, collector)
        self._step = step
        self._header = b""
        self._names: list[str] = []
        self._delimiter = ","
        self._rows = self._stepless = 0

    def notes(self) -> list[str]:
        """Also says where rows were counted because they have no step."""
        made = super().notes()
        if self._stepless:
            made.append(f"{self.path.name}: no column is the step; rows count from 1")
        return made

    def _read(self, stream: BinaryIO) -> None:
        header = stream.readline(_LONGEST)
        if header != self._header:
            if not header.endswith(b"\n"):
                self.partial = True
                return
            if self._header:
                self._restart()
            self._begin(header)
        stream.seek(self._offset)
        self.partial = False
        while line := stream.readline(_LONGEST):
            if not line.endswith(b"\n"):
                # A number that is being written looks like a shorter one: only a complete line is believed.
                self.partial = True
                return
            self._row(line)
            self._offset += len(line)

    def close(self) -> None:
        """Take the last line though it lacks its line feed: the file is complete."""
        if self.partial and self._names:
            with self.path.open("rb") as stream:
                stream.seek(self._offset)
                line = stream.readline(_LONGEST)
            if len(self._cells(line)) == len(self._names):
                self._row(line)
                self._offset += len(line)
                self.partial = False

    def _begin(self, header: bytes) -> None:
        text = header.decode("utf-8-sig", "replace")
        tried = max(",", "\t", ";", key=text.count)
        names = next(csv.reader([text], delimiter=tried), [])
        if not names or b"\0" in header:
            raise InputError(f"{self.path}: its first line is no header")
        self._header, self._delimiter, self._names = header, tried, _shortened([n.strip() for n in names])
        self._offset = len(header)

    def _cells(self, line: bytes) -> list[str]:
        try:
            return next(csv.reader([line.decode("utf-8", "replace")], delimiter=self._delimiter), [])
        except csv.Error:
            return []

    def _row(self, line: bytes) -> None:
        if not line.strip():
            return
        cells = self._cells(line)
        if len(cells) != len(self._names):
            self.bad += 1
            return
        row: dict[str, Any] = {}
        for name, cell in zip(self._names, cells, strict=True):
            number = _number(cell)
            if name and number is not None:
                row[name] = number
        self._rows += 1
        if step_of(row, self._step) is None and (self._step or self._stepless < self._rows - 1):
            self.bad += 1  # the others have one
        elif not add_row(self.collector, row, self._step, count=self._rows):
            self._stepless += 1

    def _restart(self) -> None:
        super()._restart()
        self._header, self._names = b"", []
        self._rows = self._stepless = 0


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _shortened(names: list[str]) -> list[str]:
    """Names of W&B's export without the run's; its columns of ranges are left out."""
    kept = ["" if name.endswith(_RANGES) else name for name in names]
    if not any(_OF_RUN in name for name in kept):
        return names
    short = [name.partition(_OF_RUN)[2] or name for name in kept]
    counted = Counter(short)
    return [full if counted[name] > 1 else name for name, full in zip(short, kept, strict=True)]
