"""TOML: engine arguments, environment variables and commands, as YAML files hold them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.files.settings import NOWHERE, Format, SettingsReader
from vllm_migrate.files.toml_lines import entries
from vllm_migrate.files.yaml_places import entry_span, item_span

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.yaml_lines import Entry

_OPENING = re.compile(r"\"\"\"|'''|\"|'")


def settings_in(
    path: PurePosixPath, source: bytes, text: str, reached: Mapping[tuple[str, ...], str] = NOWHERE
) -> FileFacts:
    """What a valid TOML file says about vLLM, but for the requirements that packaging tools look for.

    Args:
        path: of the file.
        source: its bytes.
        text: the same with one character per byte, blanks in place of a byte order mark.
        reached: as for `read_yaml`.
    """
    return SettingsReader(_TOML, text, entries(text), reached).facts(path, source)


def literal(text: str) -> object:
    """The value of a scalar, `UNRESOLVED` where it is a collection or a date."""
    value = inline_value(text)
    return value if isinstance(value, (str, int, float, bool)) else UNRESOLVED


def inline_value(text: str) -> object:
    """The value of what stands behind a `=`, collections too; `UNRESOLVED` where it is none."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return UNRESOLVED


def _inside(text: str, entry: Entry) -> tuple[int, int, bool]:
    start, end = entry.value.start, entry.value.end
    quote = _OPENING.match(text, start, end)
    if quote is None:
        return start, start, False
    start, end = quote.end(), end - len(quote[0])
    lines = text.startswith(("\n", "\r\n"), start) and not text[text.rfind("\n", 0, end) : end].strip()
    return start, end, lines


_TOML = Format(FileKind.TOML, literal, entry_span, item_span, _inside, frozenset({"tasks", "scripts"}))
