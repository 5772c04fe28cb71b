"""Where engines and their logs are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "VLLM_MIGRATE_CACHE"
"""Environment variable that moves the cache directory."""


def cache_root() -> Path:
    """The tool's cache directory; not created here."""
    override = os.environ.get(VARIABLE)
    return (
        Path(override).expanduser().absolute()
        if override
        else Path(platformdirs.user_cache_dir("vllm-migrate"))
    )


def engines_root() -> Path:
    """One directory per engine."""
    return cache_root() / "engines"


def logs_root() -> Path:
    """What engines wrote to stderr, one file per process."""
    return cache_root() / "logs"
