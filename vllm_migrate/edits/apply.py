"""Writes an edited file: whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from glob import escape
from pathlib import Path

from vllm_migrate.errors import InputError

_SUFFIX = ".tmp"


def write_atomically(path: Path, before: bytes, after: bytes) -> None:
    """Replace a file's content, if it still is what the edit was planned on.

    The new content is written beside the file and takes its place in one step; the mode is kept. A symbolic
    link stays one: the file it leads to is replaced.

    Args:
        path: the file.
        before: what it must contain.
        after: what it is to contain.

    Raises:
        InputError: where it has changed since, or can't be read or written. It is then as it was.
    """
    target = Path(os.path.realpath(path))
    try:
        current = target.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {_reason(error)}") from None
    if current != before:
        raise InputError(
            f"{path}: changed while it was being edited", hint="nothing was written to it; run again"
        )
    if after == before:
        return
    if not os.access(target, os.W_OK):
        raise InputError(f"{path}: is not writable", hint="nothing was written to it")
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
        _clear_away(target)
        handle, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {_reason(error)}", hint="nothing was written") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {_reason(error)}", hint="it is as it was") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _prefix(target: Path) -> str:
    return f".{target.name[:100]}.vllm-migrate-"


def _clear_away(target: Path) -> None:
    """What a run that was killed in the middle of writing this file has left beside it."""
    for left in target.parent.glob(f"{escape(_prefix(target))}*{_SUFFIX}"):
        with suppress(OSError):
            left.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name last; file systems that can't are none the worse."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
