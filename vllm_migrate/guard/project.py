"""The boundaries that a project's configuration file sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.guard.boundaries import Boundaries

if TYPE_CHECKING:
    import os


def project_boundaries(start: str | os.PathLike[str] = ".") -> Boundaries:
    """The shipped boundaries with what the nearest `[tool.vllm-migrate.guard]` upward of `start` says.

    Raises:
        ConfigError: that table has an unknown name or a value of the wrong kind.
    """
    from vllm_migrate.config import load_config  # noqa: PLC0415 - boundaries set in Python need no file

    return load_config(Path(start)).guard or Boundaries.default()
