"""Engine settings as code to paste: keywords of `LLM(...)`, flags of `vllm serve`. Plain text, not markup."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from vllm_migrate.edits.settings import flag, python_source

if TYPE_CHECKING:
    from collections.abc import Mapping


def python_keywords(settings: Mapping[str, Any]) -> str:
    """The settings as keywords of `LLM(...)`."""
    lines = [f"    {_keyword(name, python_source(value))}," for name, value in settings.items()]
    return "\n".join(["LLM(", "    ...,  # what you pass today", *lines, ")"])


def _keyword(name: str, source: str) -> str:
    usable = name.isidentifier() and not keyword.iskeyword(name)
    return f"{name}={source}" if usable else f"**{{{python_source(name)}: {source}}}"


def serve_flags(settings: Mapping[str, Any]) -> str:
    """The settings as flags of `vllm serve`; a setting whose value is None has no flag and is left out."""
    flags = [flag(name, value) for name, value in settings.items() if value is not None]
    return " \\\n  ".join(["vllm serve ...", *flags])


def setting_words(settings: Mapping[str, Any]) -> str:
    """The settings in one line, `enforce_eager=True, logprobs_mode=processed_logprobs`."""
    return ", ".join(f"{name}={literal(value)}" for name, value in settings.items())


def literal(value: Any) -> str:
    """A setting's value as Python would write it, strings bare."""
    return value if isinstance(value, str) else python_source(value)
