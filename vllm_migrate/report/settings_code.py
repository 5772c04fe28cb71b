"""Engine settings as code to paste: keywords of `LLM(...)`, flags of `vllm serve`. Plain text, not markup."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def python_keywords(settings: Mapping[str, Any]) -> str:
    """The settings as keywords of `LLM(...)`."""
    lines = [f"    {name}={value!r}," for name, value in settings.items() if name.isidentifier()]
    lines += [
        f"    **{{{name!r}: {value!r}}}," for name, value in settings.items() if not name.isidentifier()
    ]
    return "\n".join(["LLM(", "    ...,  # what you pass today", *lines, ")"])


def serve_flags(settings: Mapping[str, Any]) -> str:
    """The settings as flags of `vllm serve`; a setting whose value is None has no flag and is left out."""
    flags = [_flag(name, value) for name, value in settings.items() if value is not None]
    return " \\\n  ".join(["vllm serve ...", *flags])


def _flag(name: str, value: Any) -> str:
    dashed = shlex.quote(name.replace("_", "-"))
    if value is True:
        return f"--{dashed}"
    if value is False:
        return f"--no-{dashed}"
    written = value if isinstance(value, str) else json.dumps(value)
    return f"--{dashed} {shlex.quote(written)}"
