"""Reads the prompts file: JSON Lines, one object a line with a `prompt`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_HINT = 'one JSON object a line, {"prompt": "text"} or {"prompt": {"prompt_token_ids": [1, 2]}}'


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One line of the file.

    Attributes:
        text: the prompt as text, "" where it was given as token ids.
        token_ids: the prompt as token ids, empty where it was given as text.
        columns: every other key of the object; the reward function gets them.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)


def read_prompts(path: Path, *, limit: int | None = None) -> tuple[PromptLine, ...]:
    """All prompts of a file, blank lines left out.

    Args:
        path: the file, UTF-8.
        limit: read at most this many.

    Raises:
        InputError: the file can't be read, holds no prompt, or a line is not what it should be; names the
        line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: byte {error.start}") from None
    found: list[PromptLine] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if limit is not None and len(found) >= limit:
            break
        if line.strip():
            found.append(_parse(line, f"{path}:{number}"))
    if not found:
        raise InputError(f"{path} holds no prompts", hint=_HINT)
    return tuple(found)


def _parse(line: str, where: str) -> PromptLine:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise InputError(f"{where}: not JSON: {why}", hint=_HINT) from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: not a JSON object", hint=_HINT)
    if "prompt" not in row:
        raise InputError(f'{where}: no "prompt"', hint=_HINT)
    columns = {key: value for key, value in row.items() if key != "prompt"}
    prompt = row["prompt"]
    if isinstance(prompt, dict):
        return PromptLine("", _token_ids(prompt, where), columns)
    if not isinstance(prompt, str):
        raise InputError(f'{where}: "prompt" is neither text nor token ids', hint=_HINT)
    if not prompt:
        raise InputError(f'{where}: "prompt" is empty')
    return PromptLine(prompt, (), columns)


def _token_ids(prompt: dict[str, Any], where: str) -> tuple[int, ...]:
    ids = prompt.get("prompt_token_ids")
    if not isinstance(ids, list) or not ids:
        raise InputError(f'{where}: "prompt_token_ids" is missing or empty', hint=_HINT)
    if not all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ids):
        raise InputError(f'{where}: "prompt_token_ids" holds something other than token ids', hint=_HINT)
    return tuple(ids)
