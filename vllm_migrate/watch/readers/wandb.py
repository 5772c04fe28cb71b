"""W&B's own binary log, `run-<id>.wandb`, as every run writes it, offline ones too.

The file is a LevelDB log: seven bytes of header, blocks of 32,768 bytes, in them pieces of records, each
with a CRC-32 (of type and data), a length and a type (whole, first, middle, last). A record is a `Record`
message (wandb/proto/wandb_internal.proto), of which the history, the settings of a resumed run and the end
are read.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.watch.readers.base import Reader
from vllm_migrate.watch.readers.protobuf import WireError, fields
from vllm_migrate.watch.readers.steps import add_row

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from vllm_migrate.watch.run import Collector

_IDENT = b":W&B"
_HEADER, _PIECE = 7, 7
_BLOCK = 32_768
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_HISTORY, _EXIT = 2, 18
_ITEM, _STEP = 1, 2
_KEY, _NESTED, _JSON = 1, 2, 16
_LARGEST = 1 << 24  # bytes of one record


class WandbReader(Reader):
    """One binary log."""

    kind = "W&B"

    def __init__(self, path: Path, collector: Collector, *, step: str = "") -> None:
        super().__init__(path, collector)
        self._step = step

    def _read(self, stream: BinaryIO) -> None:
        stream.seek(0, 2)
        size = stream.tell()
        if self._offset == 0:
            stream.seek(0)
            head = stream.read(_HEADER)
            if len(head) < _HEADER and _IDENT.startswith(head[:4]):
                self.partial = True
                return
            if head[:4] != _IDENT:
                raise InputError(f"{self.path}: no log of W&B", hint="it does not begin with its mark")
            self._offset = _HEADER
        stream.seek(self._offset)
        self.partial = False
        record, started = b"", self._offset
        place = self._offset
        while place < size:
            left = _BLOCK - place % _BLOCK
            if left < _PIECE:
                place += left
                stream.seek(place)
                if not record:
                    self._offset = place
                continue
            head = stream.read(_PIECE)
            check, length, kind = struct.unpack("<IHB", head) if len(head) == _PIECE else (0, 0, 0)
            if len(head) < _PIECE or place + _PIECE + length > size:
                self.partial = True
                return
            data = stream.read(length)
            if zlib.crc32(head[6:7] + data) != check or kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST):
                # Blocks are aligned, so that reading goes on with the next one.
                place += left
                stream.seek(place)
                record = b""
                if place > size:  # the block is still being written
                    self.partial = True
                    return
                self.bad += 1
                self._offset = place
                continue
            place += _PIECE + length
            if kind in (_WHOLE, _FIRST):
                record, started = b"", place
            record += data if len(record) <= _LARGEST else b""
            if kind in (_WHOLE, _LAST):
                self._record(record)
                record = b""
                self._offset = place
        self.partial = bool(record) and started > self._offset

    def _record(self, data: bytes) -> None:
        try:
            for number, value in fields(data):
                if number == _HISTORY and isinstance(value, bytes):
                    self._history(value)
                elif number == _EXIT:
                    self.finished = True
        except (WireError, ValueError, RecursionError):
            self.bad += 1

    def _history(self, data: bytes) -> None:
        row: dict[str, Any] = {}
        for number, value in fields(data):
            if not isinstance(value, bytes):
                continue
            if number == _ITEM:
                names: list[str] = []
                text = b""
                for part, content in fields(value):
                    if isinstance(content, bytes):
                        if part in (_KEY, _NESTED):
                            names.append(content.decode("utf-8", "replace"))
                        elif part == _JSON:
                            text = content
                if names and text:
                    row[".".join(name for name in names if name)] = json.loads(text)
            elif number == _STEP:
                row.setdefault("_step", next((v for _, v in fields(value) if isinstance(v, int)), 0))
        add_row(self.collector, row, self._step)
