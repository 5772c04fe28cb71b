"""`per-file-ignores`: codes left out in the files that a pattern names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.config import Config
    from vllm_migrate.files.discover import SourceFile


def ignored_codes(files: Sequence[SourceFile], config: Config) -> dict[PurePosixPath, tuple[str, ...]]:
    """The code prefixes to leave out, per file that has any.

    Patterns are in .gitignore's syntax and count from the configuration's directory, or from the working
    directory where there is none.
    """
    if not config.per_file_ignores:
        return {}
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow, and most runs need none

    specs = [(GitIgnoreSpec.from_lines([pattern]), codes) for pattern, codes in config.per_file_ignores]
    root = config.root or Path.cwd()
    ignored: dict[PurePosixPath, tuple[str, ...]] = {}
    for file in files:
        name = Path(os.path.relpath(file.path, root)).as_posix()
        codes = tuple(code for spec, codes in specs if spec.match_file(name) for code in codes)
        if codes:
            ignored[file.relative] = codes
    return ignored
