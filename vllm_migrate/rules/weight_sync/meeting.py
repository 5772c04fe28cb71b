"""Whether two files of a project come together in one program, so that what one makes may reach the other."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.rules.base import Context

_MOST_FILES = 200


def meets_one_of(path: PurePosixPath, others: Iterable[str], context: Context) -> bool:
    """Whether one of the other files is imported, at whatever distance, by a file that also imports this one.

    Each counts as importing itself. True where the project's files can't be looked into.
    """
    if context.mentions is None:
        return True
    here = _above(path, context)
    return any(here & _above(PurePosixPath(other), context) for other in others)


def _above(path: PurePosixPath, context: Context) -> frozenset[PurePosixPath]:
    """A file and all that import it, at whatever distance."""
    assert context.mentions is not None  # noqa: S101 (the caller has looked)
    found = {path}
    pending = [path]
    while pending and len(found) < _MOST_FILES:
        new = set(context.mentions.importers(pending.pop())) - found
        found |= new
        pending += sorted(new)
    return frozenset(found)
