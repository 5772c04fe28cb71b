r"""The hash of a line by which GitHub's code scanning recognises an alert whose line has moved.

Its upload action computes `primaryLocationLineHash` where a report lacks it, and warns where a report has
another value; results sent through its API keep what the report says. So it is computed here the same way:
over the 100 characters from the line's first non-blank one on, blanks left out, line ends as "\n", as a
polynomial in 37 modulo 2**64 of UTF-16 code units, then ":" and the count of such lines so far.
"""

from __future__ import annotations

import re
import struct
from collections import Counter

_BLOCK = 100
_FACTOR = 37
_END = "\uffff"
_LINE_END = re.compile(r"\r\n|\r")


def line_hashes(source: bytes) -> list[str]:
    """The hash of every line of a file; the first line's is at 0."""
    text = _LINE_END.sub("\n", source.decode("utf-8", "replace"))
    units = (text.translate({0x20: None, 0x09: None}) + _END).encode("utf-16-le", "surrogatepass")
    units += b"\0\0" * _BLOCK
    seen: Counter[bytes] = Counter()
    hashes: list[str] = []
    for start in _starts(units):
        block = units[start : start + 2 * _BLOCK]
        seen[block] += 1
        hashes.append(f"{_hash(block):x}:{seen[block]}")
    return hashes


def _starts(units: bytes) -> list[int]:
    """Where lines begin, in bytes; what follows the last line end is a line, too."""
    starts, at = [0], units.find(b"\n\0")
    while at >= 0:
        if at % 2 == 0:
            starts.append(at + 2)
        at = units.find(b"\n\0", at + 1)
    return starts


def _hash(block: bytes) -> int:
    value = 0
    for unit in struct.unpack(f"<{_BLOCK}H", block):
        value = (value * _FACTOR + unit) & 0xFFFF_FFFF_FFFF_FFFF
    return value
