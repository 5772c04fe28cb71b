"""Whether two requirements of a file are of one environment: what stands beside vLLM need not meet it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Pin

_HEADER = re.compile(rb"""^[ \t]*\[+\s*([\w."' -]+?)\s*\]+[ \t]*(?:#.*)?$""", re.MULTILINE)
_OPENED = re.compile(rb"""^[ \t]*["']?([\w.-]+)["']?[ \t]*=[ \t]*\[[^\[\]]*\Z""", re.MULTILINE)
_SWITCH = re.compile(
    rb"^[^#\n]*\b(?:(?:conda|mamba|micromamba)\s+(?:create|activate|env\s+create)|(?:-m|uv)\s+venv|virtualenv"
    rb"|activate|deactivate)\b",
    re.MULTILINE,
)
_LOCKED = re.compile(rb"^[ \t]*\[+tool\.(?:uv|poetry)\b", re.MULTILINE)
_CONFLICTS = re.compile(rb"^[ \t]*conflicts[ \t]*=", re.MULTILINE)
_ALWAYS = frozenset(
    {
        "project.dependencies",
        "tool.pixi.dependencies",
        "tool.pixi.pypi-dependencies",
        "tool.poetry.dependencies",
        "tool.uv.constraint-dependencies",
        "tool.uv.override-dependencies",
    }
)
"""Lists whose requirements hold whatever else is chosen."""
_BUILD = "build-system.requires"
"""What builds the project, in an environment of its own."""


def are_together(file: FileFacts, one: Pin, other: Pin) -> bool:
    """Whether two requirements are installed together, as far as the file says.

    Those of two extras, groups or tables needn't be: each is chosen by itself, unless a tool locks them all
    at once. What a script installs before and after it enters another environment is in two of them.
    """
    if file.kind is FileKind.TOML:
        lists = {_list_of(file, one), _list_of(file, other)}
        joined = len(lists) == 1 or not lists.isdisjoint(_ALWAYS) or _is_locked_whole(file)
        return joined and _BUILD not in lists
    if file.kind in (FileKind.SHELL, FileKind.DOCKERFILE):
        between = file.source[min(one.span.end, other.span.end) : max(one.span.start, other.span.start)]
        return _SWITCH.search(between) is None
    return True


def _is_locked_whole(file: FileFacts) -> bool:
    """Whether all extras and groups get one version of a package: uv and Poetry lock them together.

    uv does so but for those that are declared in conflict.
    """
    return _LOCKED.search(file.source) is not None and _CONFLICTS.search(file.source) is None


def _list_of(file: FileFacts, pin: Pin) -> str:
    """The table and the key of the list that a requirement stands in: "project.dependencies"."""
    before = file.source[: pin.span.start]
    opened = _OPENED.search(_without_extras(before))
    name = opened[1].decode(file.encoding) if opened else ""
    headers = _HEADER.findall(before)
    table = headers[-1].decode(file.encoding) if headers else ""
    return f"{table}.{name}" if name else table


def _without_extras(source: bytes) -> bytes:
    """Source without the brackets of extras, `ray[default]`, which look like the end of a list."""
    return re.sub(rb"(?<=\w)\[[\w,.\s-]*\]", b"", source)
