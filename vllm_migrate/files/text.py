"""Bytes as text whose offsets are byte offsets."""

from __future__ import annotations

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Span


def as_latin1(source: bytes) -> str:
    """`source` with one character per byte, so that regular expressions yield byte offsets.

    Raises:
        InputError: where the bytes are no text in an encoding that extends ASCII (UTF-16, binary).
    """
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("encoded as UTF-16, which can't be read here", hint="save it as UTF-8")
    if b"\0" in source:
        raise InputError("holds null bytes: no text file")
    return source.decode("latin-1")


def shown(text: str) -> str:
    """A piece of `as_latin1` text as its author wrote it."""
    return text.encode("latin-1").decode("utf-8", "replace")


def newline_of(source: bytes) -> str:
    """The line ending most lines have."""
    windows = source.count(b"\r\n")
    return "\r\n" if windows * 2 > source.count(b"\n") else "\n"


def whole_lines(text: str, start: int, end: int) -> Span:
    """The span of lines that go. The last line of a file that ends without a newline takes the one before."""
    if start > 0 and end == len(text) and not text.endswith("\n"):
        start -= 2 if text[:start].endswith("\r\n") else 1
    return Span(start, end)
