"""`-` as a path: one file that comes from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DASH = Path("-")
_UNNAMED = Path("stdin.py")


def named_paths(paths: Sequence[Path] | None, filename: Path | None) -> tuple[list[Path], bytes | None]:
    """The paths of a run, and the content of the one file where it comes from standard input.

    Raises:
        UsageError: where `-` stands beside other paths, or a file name is given without it.
    """
    named = list(paths or [Path()])
    if _DASH not in named:
        if filename is not None:
            raise UsageError("--stdin-filename goes with the path -")
        return named, None
    if len(named) > 1:
        raise UsageError("- can't stand beside other paths")
    return [filename or _UNNAMED], sys.stdin.buffer.read()
