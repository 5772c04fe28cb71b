"""Engine arguments as they are given on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the audit itself decides. Given here it would be contradicted or break the replay.
_OURS = ("model", "enable_trace_replay", "logits_processors")
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """Keyword arguments from JSON objects and `key=value` pairs, later ones winning.

    A value is read as JSON, then as Python's True, False or None, and is text otherwise. Dashes in a key
    become underscores.

    Raises:
        UsageError: something is neither, or names what the audit decides itself.
    """
    found: dict[str, Any] = {}
    for text in texts:
        if text.lstrip().startswith("{"):
            try:
                given = json.loads(text)
            except json.JSONDecodeError as error:
                raise UsageError(f"engine arguments {text!r} are not JSON: {error.msg}") from None
            found.update({_key(name): value for name, value in given.items()})
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"engine argument {text!r} is neither a JSON object nor key=value")
        found[_key(name)] = _value(value)
    for name in _OURS:
        if name in found:
            raise UsageError(f"engine argument {name} can't be given here: the audit sets it")
    return found


def _key(name: str) -> str:
    key = name.strip().lstrip("-").replace("-", "_")
    if not key.isidentifier():
        raise UsageError(f"{name!r} is no name of an engine argument")
    return key


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
