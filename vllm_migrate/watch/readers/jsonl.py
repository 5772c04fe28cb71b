"""JSON Lines: one object a line, such as W&B's offline history, verl's file logger, or a loop's own.

A file that is one JSON array of rows, or an object of columns, is read as well; it is not streamed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.watch.readers.base import Reader
from vllm_migrate.watch.readers.steps import add_row, flat, step_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from vllm_migrate.watch.run import Collector

_LONGEST = 1 << 24  # bytes of one line


class LinesReader(Reader):
    """One file of JSON Lines."""

    kind = "JSON Lines"

    def __init__(self, path: Path, collector: Collector, *, step: str = "") -> None:
        super().__init__(path, collector)
        self._step = step
        self._rows = 0
        self._stepless = 0
        self._stepped = False

    def notes(self) -> list[str]:
        """Also says where rows were counted because they have no step."""
        made = super().notes()
        if self._stepless:
            made.append(f"{self.path.name}: no row has a step; the {self._stepless:,} rows count from 1")
        return made

    def _read(self, stream: BinaryIO) -> None:
        stream.seek(self._offset)
        self.partial = False
        while line := stream.readline(_LONGEST):
            if not line.endswith(b"\n"):
                # The last line of a finished file may lack its line feed; one that is being written is no
                # JSON.
                self.partial = not self._take(line, last=True)
                if self.partial:
                    return
            else:
                self._take(line)
            self._offset += len(line)

    def _take(self, line: bytes, *, last: bool = False) -> bool:
        if not line.strip():
            return True
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            if self._rows == 0 and not last and self._offset == 0 and not line.lstrip().startswith(b"{"):
                raise InputError(f"{self.path}: its first line is no JSON object") from None
            self.bad += 0 if last else 1
            return False
        if not isinstance(row, dict):
            self.bad += 1
            return True
        self._rows += 1
        self._add(row)
        return True

    def _add(self, row: dict[str, Any]) -> None:
        """Add a row. Where rows have steps, those without one are no step's: a head, a summary."""
        plain = flat(row)
        if self._stepped or self._step:
            self._stepped |= add_row(self.collector, plain, self._step)
        elif step_of(plain) is None:
            self._stepless += 1
            add_row(self.collector, plain, count=self._stepless)
        else:
            self.collector.clear()
            self._stepless = 0
            self._stepped = add_row(self.collector, plain)

    def _restart(self) -> None:
        super()._restart()
        self._rows = self._stepless = 0
        self._stepped = False
