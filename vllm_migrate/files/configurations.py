"""Configuration files whose keys code hands on as keywords: `LLM(**OmegaConf.load("conf/engine.yaml"))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Configuration:
    """A place in a file of settings.

    Attributes:
        parts: the end of the file's path; its last part may be "*", for any file of the folder.
        keys: the keys that lead to the mapping, outermost first.
        owner: what takes the mapping's entries, as in `Argument.owner`.
    """

    parts: tuple[str, ...]
    keys: tuple[str, ...]
    owner: str

    def is_in(self, path: PurePosixPath) -> bool:
        """Whether a file may be the one."""
        parts = (*path.parts[:-1], path.stem)
        wanted = self.parts
        if len(wanted) > len(parts):
            return False
        tail = parts[len(parts) - len(wanted) :]
        return tail[:-1] == wanted[:-1] and wanted[-1] in (tail[-1], "*")


def reached(configurations: Iterable[Configuration], path: PurePosixPath) -> dict[tuple[str, ...], str]:
    """Which mappings of a file are handed on, and to what."""
    return {found.keys: found.owner for found in configurations if found.is_in(path)}
