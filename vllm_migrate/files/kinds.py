"""The kind of a file, by name or, for a script without a suffix, by its first line.

Finding out that a tree has nothing to read takes these alone, and none of the facts in `files/located.py`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import PurePosixPath


class FileKind(str, Enum):
    """The kinds of file that have an adapter."""

    PYTHON = "python"
    SHELL = "shell"
    YAML = "yaml"
    TOML = "toml"
    REQUIREMENTS = "requirements"
    SETUP_CFG = "setup.cfg"
    NOTEBOOK = "notebook"
    DOCKERFILE = "dockerfile"
    MARKDOWN = "markdown"


SETTINGS = (FileKind.YAML, FileKind.TOML)
"""The kinds whose mappings code loads and hands on."""

HEAD_BYTES = 128
"""How much of a file's beginning `kind_of` needs."""

_SUFFIXES = {
    "py": FileKind.PYTHON,
    "pyi": FileKind.PYTHON,
    "sh": FileKind.SHELL,
    "bash": FileKind.SHELL,
    "slurm": FileKind.SHELL,
    "sbatch": FileKind.SHELL,
    "yaml": FileKind.YAML,
    "yml": FileKind.YAML,
    "toml": FileKind.TOML,
    "ipynb": FileKind.NOTEBOOK,
    "md": FileKind.MARKDOWN,
    "mdx": FileKind.MARKDOWN,
    "rst": FileKind.MARKDOWN,
}
_REQUIREMENTS = re.compile(
    r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.(?:txt|in)|(?:requirements|constraints)-.*\.txt"
)
_DOCKERFILE = re.compile(
    r"(?:dockerfile|containerfile)(?:[._-](?!dockerignore).+)?|.+\.(?:dockerfile|containerfile)",
    re.IGNORECASE,
)
_NOT_READ = frozenset({"vllm-migrate.toml"})  # what configures the check itself
_LOCKED = re.compile(r"pylock(?:\..+)?\.toml")  # `files/locks.py` reads these
_SHELL = re.compile(rb"#![ \t]*\S*/(?:env[ \t]+(?:-\S+[ \t]+)*)?(?:ba|da|z|k)?sh\b")
_PYTHON = re.compile(rb"#![ \t]*\S*/(?:env[ \t]+(?:-\S+[ \t]+)*)?python[\d.]*\b")


def kind_by_name(name: str) -> FileKind | None:
    """The kind a file's name alone tells, or None."""
    if name in _NOT_READ or _LOCKED.fullmatch(name):
        return None
    if name == "Pipfile":
        return FileKind.TOML
    if name == "setup.cfg":
        return FileKind.SETUP_CFG
    kind = _SUFFIXES.get(name.rpartition(".")[2]) if "." in name else None
    if kind is None and name.endswith((".txt", ".in")) and _REQUIREMENTS.fullmatch(name):
        return FileKind.REQUIREMENTS
    if kind is None and "file" in name.lower() and _DOCKERFILE.fullmatch(name):
        return FileKind.DOCKERFILE
    return kind


def kind_of(path: PurePosixPath, head: bytes) -> FileKind | None:
    """The kind of a file from its path and its first bytes (`HEAD_BYTES` are enough).

    A text file inside a folder called `requirements` is one, whatever its name.
    """
    kind = kind_by_name(path.name)
    if (
        kind is None
        and path.suffix in (".txt", ".in")
        and path.parent.name in ("requirements", "constraints")
    ):
        return FileKind.REQUIREMENTS
    if kind is None and _SHELL.match(head):
        return FileKind.SHELL
    if kind is None and _PYTHON.match(head):
        return FileKind.PYTHON
    return kind
