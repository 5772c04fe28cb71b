"""JSON that is valid wherever it is read, and that can't steer a terminal."""

from __future__ import annotations

import json
import re
from typing import Any

_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """`value` as JSON, readable characters as they are.

    Control characters and lone surrogates are escaped; the latter stand for the bytes of a file name that is
    no UTF-8, and a reader of the JSON gets them back.
    """
    return escaped(json.dumps(value, indent=indent, ensure_ascii=False)) + "\n"


def escaped(text: str) -> str:
    r"""JSON text with what JSON permits but its readers stumble over as `\u....`."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
