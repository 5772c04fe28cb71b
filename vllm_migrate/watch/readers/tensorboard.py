"""TensorBoard event files: scalars, by a reader of our own of a small public format.

A file is a list of TFRecords: length (8 bytes, little-endian), masked CRC-32C of the length, data, masked
CRC-32C of the data. The data is an `Event` (tensorflow/core/util/event.proto) whose `Summary` holds scalars
as `simple_value`, or, from newer writers, as a tensor of one element.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.watch.readers.base import Reader
from vllm_migrate.watch.readers.protobuf import WireError, fields, float32, float64, signed

if TYPE_CHECKING:
    from typing import BinaryIO

_HEAD, _FOOT = 12, 4
_LARGEST = 1 << 20  # bytes: no event of scalars is as large; images and histograms are stepped over
_LONGEST = 1 << 40
_STEP, _SUMMARY, _SESSION = 2, 5, 7
_VALUE, _TAG, _SIMPLE, _TENSOR = 1, 1, 2, 8
_DTYPE, _CONTENT, _FLOATS, _DOUBLES = 1, 4, 5, 6
_FLOAT, _DOUBLE = 1, 2
_SESSION_STATUS, _SESSION_START = 1, 1


class EventReader(Reader):
    """One event file."""

    kind = "TensorBoard"

    def _read(self, stream: BinaryIO) -> None:
        stream.seek(0, 2)
        size = stream.tell()
        stream.seek(self._offset)
        self.partial = False
        while self._offset < size:
            head = stream.read(_HEAD)
            if len(head) < _HEAD:
                self.partial = True
                return
            length, check = struct.unpack("<QI", head)
            if masked_crc(head[:8]) != check or length > _LONGEST:
                self._broken(size)
                return
            end = self._offset + _HEAD + length + _FOOT
            if end > size:
                self.partial = True
                return
            if length <= _LARGEST:
                data = stream.read(length)
                if masked_crc(data) == struct.unpack("<I", stream.read(_FOOT))[0]:
                    self._event(data)
                else:
                    self.bad += 1
            self._offset = end
            stream.seek(end)

    def _broken(self, size: int) -> None:
        """Without its length the next record can't be found: what follows is lost."""
        if self._offset == 0:
            raise InputError(
                f"{self.path}: no TensorBoard event file", hint="its first record does not match its checksum"
            )
        self.bad += 1
        self._offset = size

    def _event(self, data: bytes) -> None:
        step, summary, session = 0, [], b""
        try:
            for number, value in fields(data):
                if number == _STEP and isinstance(value, int):
                    step = signed(value)
                elif number == _SUMMARY and isinstance(value, bytes):
                    summary.append(value)
                elif number == _SESSION and isinstance(value, bytes):
                    session = value
            if session and dict(fields(session)).get(_SESSION_STATUS) == _SESSION_START and step > 0:
                self.collector.rewind(step)
            for message in summary:
                for number, value in fields(message):
                    if number == _VALUE and isinstance(value, bytes):
                        self._scalar(value, step)
        except WireError:
            self.bad += 1

    def _scalar(self, message: bytes, step: int) -> None:
        tag, found = "", None
        for number, value in fields(message):
            if not isinstance(value, bytes):
                continue
            if number == _TAG:
                tag = value.decode("utf-8", "replace")
            elif number == _SIMPLE:
                found = float32(value)
            elif number == _TENSOR:
                found = _tensor(value)
        if tag and found is not None:
            self.collector.add(tag, step, found)


def _tensor(message: bytes) -> float | None:
    """The value of a tensor with one floating-point element; None for any other."""
    kind, content, values = 0, b"", b""
    for number, value in fields(message):
        if number == _DTYPE and isinstance(value, int):
            kind = value
        elif number == _CONTENT and isinstance(value, bytes):
            content = value
        elif number in (_FLOATS, _DOUBLES) and isinstance(value, bytes):
            values += value
    data = content or values
    if kind == _FLOAT and len(data) == 4:  # noqa: PLR2004 - bytes of one element
        return float32(data)
    return float64(data) if kind == _DOUBLE and len(data) == 8 else None  # noqa: PLR2004 - same


def masked_crc(data: bytes) -> int:
    """The CRC-32C of bytes, masked as TFRecords do."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    made = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
        made.append(crc)
    return tuple(made)
