"""Reads the prompts: JSON Lines, JSON, plain text, Parquet, Arrow, or a saved data set's directory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.prompts.rows import HINT, PromptLine, prompt_of
from vllm_migrate.prompts.strata import choose
from vllm_migrate.prompts.tables import is_table, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PromptLine", "read_prompts"]

_TEXT_SUFFIXES = (".txt", ".text", ".prompts")


def read_prompts(
    path: Path, *, limit: int | None = None, column: str = "", strata: int = 0, seed: int = 0
) -> tuple[PromptLine, ...]:
    """The prompts of a file, blank lines left out.

    Args:
        path: UTF-8 text or a table. `.txt` holds one prompt a line.
        limit: at most this many.
        column: which column holds the prompt; "" for `prompt`, `prompt_token_ids` or `messages`.
        strata: from how many bands of lengths `limit` draws evenly; 0 takes the first ones.
        seed: of the draw; the same one draws the same prompts from the same file.

    Raises:
        InputError: the file can't be read, holds no prompt, or a row is not what it should be; names the
            row.
    """
    if path.suffix.lower() in _TEXT_SUFFIXES and path.is_file():
        found = (PromptLine(line) for _, line in _lines(path))
    elif is_table(path):
        found = (prompt_of(row, where, column) for where, row in table_rows(path))
    else:
        found = (prompt_of(row, where, column) for where, row in _json_rows(path))
    kept: list[PromptLine] = []
    for line in found:
        kept.append(line)
        if limit is not None and strata == 0 and len(kept) >= limit:
            break
    if not kept:
        raise InputError(f"{path} holds no prompts", hint=HINT)
    if limit is None or len(kept) <= limit:
        return tuple(kept)
    return tuple(kept[index] for index in choose(kept, limit, strata=strata, seed=seed))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: byte {error.start}") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects with their places: one a line, or one JSON array of them over the whole file."""
    lines = list(_lines(path))
    if lines and path.suffix.lower() == ".json" and lines[0][1].lstrip().startswith("["):
        array = _json("\n".join(line for _, line in lines), str(path))
        places = [(f"{path}: row {number}", value) for number, value in enumerate(array, start=1)]
        yield from ((where, _row(value, where)) for where, value in places)
        return
    for number, line in lines:
        where = f"{path}:{number}"
        yield where, _row(_json(line, where), where)


def _row(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a JSON object", hint=HINT)
    return value


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise InputError(f"{where}: not JSON: {why}", hint=HINT) from None
