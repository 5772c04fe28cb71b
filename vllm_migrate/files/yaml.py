"""YAML: engine arguments, environment variables, pins of runtime environments, embedded scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.settings import NOWHERE, Format, SettingsReader
from vllm_migrate.files.text import as_latin1
from vllm_migrate.files.yaml_lines import entries
from vllm_migrate.files.yaml_places import entry_span, item_span
from vllm_migrate.files.yaml_values import literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.yaml_lines import Entry


def read_yaml(
    path: PurePosixPath, source: bytes, reached: Mapping[tuple[str, ...], str] = NOWHERE
) -> FileFacts:
    """What a YAML file says about vLLM.

    Args:
        path: of the file.
        source: its bytes.
        reached: for key paths whose entries the project's code hands on as keywords, what takes them, as in
            `Argument.owner`.

    Raises:
        InputError: where it can't be followed line by line (a template, tabs, an open bracket).
    """
    text = as_latin1(source)
    return SettingsReader(_YAML, text, entries(text), reached).facts(path, source)


def _inside(text: str, entry: Entry) -> tuple[int, int, bool]:
    start, end = entry.value.start, entry.value.end
    if not entry.block and text[start : start + 1] in ("'", '"'):
        start, end = start + 1, end - 1
    return start, end, entry.block


_YAML = Format(FileKind.YAML, literal, entry_span, item_span, _inside)
