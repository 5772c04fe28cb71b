"""JSON of the few kinds of values that answers are made of: importing `json` takes as long as all else."""

from __future__ import annotations

try:
    from _json import encode_basestring_ascii as _quoted
except ImportError:  # a Python without it
    from json.encoder import encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def json_text(value: Any) -> str:
    """A text, a whole number, None, or a list or dict of such, as JSON in ASCII."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{json_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(json_text, value)) + "]"
    return str(int(value))
