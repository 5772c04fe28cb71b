"""Where a place in decoded text lies in the file's bytes, and the other way round.

Python's `ast` counts lines from 1 and columns in UTF-8 bytes of the decoded line, whatever the file's own
encoding is. Splices are byte offsets into the file as it lies on disk. This module converts.
"""

from __future__ import annotations

import codecs
import re
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    import ast

# PEP 263: a comment on the first or second line, the second only after a comment or an empty line.
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#|\r|\n|$)")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LINE_END_TEXT = re.compile(r"\r\n|\r|\n")


class UnreadableTextError(ValueError):
    """The bytes are no text in the encoding they declare."""


def python_encoding(source: bytes) -> str:
    """The encoding of a Python file as its byte order mark or PEP 263 comment declares it, else "utf-8".

    Raises:
        UnreadableTextError: for an unknown encoding, or one that contradicts the byte order mark.
    """
    marked = source.startswith(codecs.BOM_UTF8)
    rest = source[3:] if marked else source
    first, _, rest = rest.partition(b"\n")
    match = _COOKIE.match(first)
    if match is None and _BLANK.match(first):
        match = _COOKIE.match(rest.partition(b"\n")[0])
    if match is None:
        return "utf-8"
    declared = match[1].decode("ascii", "replace")
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        raise UnreadableTextError(f"unknown encoding {declared!r}") from None
    if marked and name != "utf-8":
        raise UnreadableTextError(f"has a UTF-8 byte order mark but declares {declared!r}")
    return name


def newline_of(source: bytes) -> str:
    r"""The line ending most lines have: "\n", "\r\n" or "\r"; "\n" for a file without any."""
    crlf = source.count(b"\r\n")
    lf = source.count(b"\n") - crlf
    if not crlf and b"\r" not in source:
        return "\n"
    cr = source.count(b"\r") - crlf
    if crlf >= lf and crlf >= cr:
        return "\r\n"
    return "\r" if cr > lf else "\n"


class SourceText:
    """A file's bytes with their decoded text and the mapping between both.

    Attributes:
        source: the bytes; `text` the decoded text without a byte order mark.
        encoding: what decodes them; `mark` the length of the byte order mark, 0 or 3.
    """

    def __init__(self, source: bytes, encoding: str) -> None:
        self.source = source
        self.encoding = encoding
        self.mark = 3 if source.startswith(codecs.BOM_UTF8) else 0
        try:
            self.text = source[self.mark :].decode(encoding)
        except (UnicodeDecodeError, LookupError) as error:
            detail = (
                f"byte {error.start + self.mark}" if isinstance(error, UnicodeDecodeError) else str(error)
            )
            raise UnreadableTextError(f"is not {encoding} text ({detail})") from None
        self._direct = encoding in ("utf-8", "ascii")
        if not self._direct and self.text.encode(encoding) != source[self.mark :]:
            raise UnreadableTextError(f"does not survive decoding and encoding as {encoding}")

    @cached_property
    def line_starts(self) -> list[int]:
        """The byte offset of each line's first character."""
        starts = [self.mark]
        if b"\r" in self.source or not self._direct:
            text = self.text
            if self._direct:
                starts += [m.end() for m in _LINE_END.finditer(self.source)]
            else:
                offset, last = self.mark, 0
                for m in _LINE_END_TEXT.finditer(text):
                    offset += len(text[last : m.end()].encode(self.encoding))
                    last = m.end()
                    starts.append(offset)
        else:
            at = self.source.find(b"\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.source.find(b"\n", at + 1)
        return starts

    @cached_property
    def _lines(self) -> list[str]:
        ends = [m.end() for m in _LINE_END_TEXT.finditer(self.text)]
        return [self.text[a:b] for a, b in zip([0, *ends], [*ends, len(self.text)], strict=True)]

    def offset(self, line: int, column: int) -> int:
        """The byte offset of a place as `ast` names it: `line` from 1, `column` in UTF-8 bytes."""
        start = self.line_starts[line - 1]
        if self._direct:
            return start + column
        before = self._lines[line - 1].encode()[:column].decode()
        return start + len(before.encode(self.encoding))

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias | ast.arg) -> Span:
        """The bytes of a syntax node."""
        assert node.end_lineno is not None  # noqa: S101 (the parser always sets it)
        assert node.end_col_offset is not None  # noqa: S101 (same)
        if self._direct:
            starts = self.line_starts
            return Span(
                starts[node.lineno - 1] + node.col_offset,
                starts[node.end_lineno - 1] + node.end_col_offset,
            )
        return Span(
            self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)
        )

    def written(self, span: Span) -> str:
        """The text of a span."""
        return self.source[span.start : span.end].decode(self.encoding)

    def utf8_offset(self, offset: int) -> int:
        """A byte offset into the file as an offset into the UTF-8 form of `text`."""
        if self._direct:
            return offset - self.mark
        return len(self.source[self.mark : offset].decode(self.encoding).encode())

    def encode(self, text: str) -> bytes:
        """Text as this file would hold it, without a byte order mark.

        Raises:
            UnicodeEncodeError: where the file's encoding lacks a character.
        """
        return text.encode(self.encoding)
