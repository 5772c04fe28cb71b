"""The wire format of protocol buffers, as much of it as run logs need.

https://protobuf.dev/programming-guides/encoding: a message is a list of (field number, type, value).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class WireError(ValueError):
    """Bytes that are no message."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a message, in their order.

    Fixed-size values come as their bytes.

    Raises:
        WireError: the bytes end inside a field, or hold a type that is not known.
    """
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise WireError(f"field {number} has type {kind}")
        if place + size > len(data):
            raise WireError(f"field {number} is cut off")
        yield number, data[place : place + size]
        place += size


def signed(value: int) -> int:
    """A varint as the signed 64-bit number it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def float32(value: bytes) -> float:
    """A 32-bit float."""
    return float(struct.unpack("<f", value)[0])


def float64(value: bytes) -> float:
    """A 64-bit float."""
    return float(struct.unpack("<d", value)[0])


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(_LONGEST_VARINT):
        if place + count >= len(data):
            raise WireError("a number is cut off")
        byte = data[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value & (1 << 64) - 1, place + count + 1
    raise WireError("a number is too long")
