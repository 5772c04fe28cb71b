"""File names as other programs want them: from the root of the source tree, wherever the run started."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.rules.scan import ScanResult


def source_root() -> Path:
    """The repository that the working directory is in; the working directory where it is in none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def from_root(result: ScanResult) -> Callable[[PurePosixPath], str]:
    """How to write a path of this result: relative to `source_root`, absolute where it lies outside."""
    root, here = source_root(), Path.cwd()
    places = {file.relative: file.path for file in result.files}

    def path_of(path: PurePosixPath) -> str:
        absolute = Path(os.path.normpath(places.get(path, here / path)))
        return (absolute.relative_to(root) if absolute.is_relative_to(root) else absolute).as_posix()

    return path_of
