"""Engine settings as code to paste: keywords of `LLM(...)`, flags of `vllm serve`. Plain text, not markup."""

from __future__ import annotations

import json
import keyword
import shlex
from collections.abc import Mapping
from typing import Any


def python_keywords(settings: Mapping[str, Any]) -> str:
    """The settings as keywords of `LLM(...)`."""
    lines = [f"    {_keyword(name, python_source(value))}," for name, value in settings.items()]
    return "\n".join(["LLM(", "    ...,  # what you pass today", *lines, ")"])


def _keyword(name: str, source: str) -> str:
    usable = name.isidentifier() and not keyword.iskeyword(name)
    return f"{name}={source}" if usable else f"**{{{python_source(name)}: {source}}}"


def python_source(value: Any) -> str:
    """Python source of a value as JSON has them; strings in double quotes."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        items = ", ".join(f"{python_source(key)}: {python_source(item)}" for key, item in value.items())
        return f"{{{items}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(python_source(item) for item in value)}]"
    return repr(value)


def serve_flags(settings: Mapping[str, Any]) -> str:
    """The settings as flags of `vllm serve`; a setting whose value is None has no flag and is left out."""
    flags = [_flag(name, value) for name, value in settings.items() if value is not None]
    return " \\\n  ".join(["vllm serve ...", *flags])


def _flag(name: str, value: Any) -> str:
    dashed = name.replace("_", "-")
    if value is True:
        return shlex.quote(f"--{dashed}")
    if value is False:
        return shlex.quote(f"--no-{dashed}")
    written = value if isinstance(value, str) else json.dumps(value)
    return f"{shlex.quote(f'--{dashed}')} {shlex.quote(written)}"


def setting_words(settings: Mapping[str, Any]) -> str:
    """The settings in one line, `enforce_eager=True, logprobs_mode=processed_logprobs`."""
    return ", ".join(f"{name}={literal(value)}" for name, value in settings.items())


def literal(value: Any) -> str:
    """A setting's value as Python would write it, strings bare."""
    return value if isinstance(value, str) else python_source(value)
