"""What the tool could not do to a file: a value beside findings, small enough to load in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from pathlib import PurePosixPath

UNREADABLE = "VM001"
UNPARSABLE = "VM002"
REFUSED = "VM003"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something the tool could not do to one file.

    Attributes:
        code: `UNREADABLE`, `UNPARSABLE` or `REFUSED`.
        line: 1-based, 0 where it is about the file as a whole.
    """

    code: str
    path: PurePosixPath
    message: str
    line: int = 0

    @property
    def unjudged(self) -> bool:
        """Whether the file's findings are unknown, so that a clean result would be a lie."""
        return self.code != REFUSED
