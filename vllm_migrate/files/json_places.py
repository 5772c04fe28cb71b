"""Where the values of a JSON text stand. The text is known to be valid JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def members(text: str, at: int) -> Iterator[tuple[str, Span]]:
    """The keys of the object at `at` with the places of their values."""
    at = _blank(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _blank(text, _blank(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield key, Span(start, end)
        at = _blank(text, end)
        at = _blank(text, at + 1) if text[at] == "," else at


def items(text: str, at: int) -> Iterator[Span]:
    """The places of the elements of the array at `at`."""
    at = _blank(text, at + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield Span(at, end)
        at = _blank(text, end)
        at = _blank(text, at + 1) if text[at] == "," else at
