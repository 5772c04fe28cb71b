"""Writing a folder of generated pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_pages(directory: Path, wanted: Mapping[str, str]) -> None:
    """Write pages, and remove what the folder has beside them.

    Args:
        directory: all Markdown in it is generated; made where it isn't there.
        wanted: the pages by file name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text, encoding="utf-8", newline="\n")
