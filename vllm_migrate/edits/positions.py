"""Byte spans as the lines and columns that reports print."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Position
    from vllm_migrate.files.located import Span

_LINE_END = re.compile(rb"\r\n|\r|\n")


@lru_cache(maxsize=4)
def _line_starts(source: bytes) -> tuple[int, ...]:
    """Kept for the next finding, which is mostly in the same file."""
    return (0, *(m.end() for m in _LINE_END.finditer(source)))


def position_of(source: bytes, span: Span, encoding: str = "utf-8") -> Position:
    """A byte span as 1-based lines and 1-based code-point columns, end-exclusive."""
    from vllm_migrate.edits.model import Position  # noqa: PLC0415 - a scan without findings needs none

    starts = _line_starts(source)

    def place(offset: int) -> tuple[int, int]:
        line = bisect_right(starts, offset)
        before = source[starts[line - 1] : offset]
        if line == 1:
            before = before.removeprefix(codecs.BOM_UTF8)
        return line, len(before.decode(encoding, "replace")) + 1

    line, column = place(span.start)
    end_line, end_column = place(span.end)
    return Position(line, column, end_line, end_column)
