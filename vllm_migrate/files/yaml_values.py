"""Values of a YAML file on one line: what a scalar means, where a flow collection ends and parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import UNRESOLVED

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*)(?:\.\d*)?(?:[eE][-+]?\d+)?")
_WORDS = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
}


def literal(text: str) -> object:
    """The value of a plain or quoted scalar, `UNRESOLVED` where it is anything else."""
    text = text.strip()
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return UNRESOLVED if "${" in text else text[1:-1]
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "&*!{[|>" or "${" in text:
        return UNRESOLVED
    if _NUMBER.fullmatch(text):
        try:
            return int(text.replace("_", ""))
        except ValueError:
            return float(text)
    return text


def flow_end(text: str, at: int) -> int:
    """Where the collection that opens at `at` ends, -1 where it is never closed."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if depth == 0:
                return at + 1
        elif char in "\"'":
            at = text.find(char, at + 1)
            if at < 0:
                return -1
        at += 1
    return -1


def flow_parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The pieces between the commas of what stands inside a collection's brackets."""
    begin = at = start
    while at < end:
        char = text[at]
        if char in "{[":
            at = flow_end(text, at) - 1
        elif char in "\"'":
            at = text.find(char, at + 1)
        elif char == ",":
            yield begin, at
            begin = at + 1
        at += 1
    if text[begin:end].strip():
        yield begin, end
