"""A check on edited shell scripts that needs no shell: no command may have been joined to another."""

from __future__ import annotations

from itertools import pairwise


def joined_line(before: bytes, after: bytes) -> int:
    """The first line of `after` that continues another there but began a command in `before`; 0 without one.

    A removed last line leaves the line continuation before it behind, which swallows the command below: the
    script still parses, and does something else.
    """
    continued, begun = _lines(before)
    lines = after.split(b"\n")
    for number, (previous, line) in enumerate(pairwise(lines), start=2):
        text = line.strip()
        if _continues(previous) and (
            (text in begun and text not in continued) or (not text and b"" not in continued)
        ):
            return number
    return 0


def _lines(source: bytes) -> tuple[set[bytes], set[bytes]]:
    """The stripped lines that continue the one before them, and the others."""
    continued: set[bytes] = set()
    begun: set[bytes] = set()
    lines = source.split(b"\n")
    for previous, line in zip([b"", *lines], lines, strict=False):
        (continued if _continues(previous) else begun).add(line.strip())
    return continued, begun


def _continues(line: bytes) -> bool:
    text = line.removesuffix(b"\r")
    return text.endswith(b"\\") and not text.endswith(b"\\\\") and not text.lstrip().startswith(b"#")
