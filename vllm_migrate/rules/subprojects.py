"""Folders of one tree that pin different releases: each file is judged by the pins nearest to it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.facts.source import detect_source
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.locks import lock_pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from vllm_migrate.facts.model import Source
    from vllm_migrate.files.discover import SourceFile
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Pin

_BELONGS_ABOVE = frozenset({"requirements", "constraints", "docker", ".github", "ci", ".ci"})
"""Folders whose pins are about the project they stand in, not about what else lies in them."""

_MANIFESTS = frozenset({"pyproject.toml", "uv.toml", "pixi.toml", "Pipfile"})
"""Files beside which a lock file is theirs."""

_ASSUMED = "assumed"

_V0_MODULES = ("vllm.worker.", "vllm.executor.", "vllm.core.", "vllm.spec_decode.")
"""Packages that implemented the V0 engine alone; V1 has its own under `vllm.v1` (0.8.5, 0.10.2)."""


def locked(paths: Iterable[Path], files: Iterable[SourceFile]) -> Iterator[tuple[str, Pin]]:
    """What lock files settled on: those in the directories named, and those beside a pyproject.toml.

    Each comes with the file it stands in, as shown to the user.
    """
    here = Path.cwd()
    folders: dict[Path, PurePosixPath] = {}
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link the user named
        shown = absolute.relative_to(here) if absolute.is_relative_to(here) else Path()
        folders[absolute] = PurePosixPath(shown.as_posix())
    for file in files:
        if file.kind is FileKind.TOML and file.path.name in _MANIFESTS:
            folders.setdefault(file.path.parent, file.relative.parent)
    for folder, relative in folders.items():
        for name, pin in lock_pins([folder]):
            yield str(relative / name), pin


def shows_v0(file: FileFacts) -> bool:
    """Whether a file uses what only the V0 engine had."""
    return any(f"{found.module}.".startswith(_V0_MODULES) and not found.dead for found in file.imports)


def subprojects(
    pins: Iterable[tuple[str, Pin]], facts: Sequence[FileFacts], whole: Source
) -> dict[PurePosixPath, Source]:
    """The folders whose own pins name another release than the tree as a whole comes from.

    The others come from where the whole comes from: they are left out, and so are all where they agree.

    Args:
        pins: requirements with the file and line they stand in.
        facts: the files read; a folder's own variables tell its engine.
        whole: where the tree comes from; what `--from` says holds everywhere.
    """
    if whole.origin in ("--from", _ASSUMED):
        return {}
    by_folder: dict[PurePosixPath, list[tuple[str, Pin]]] = {}
    for where, pin in pins:
        by_folder.setdefault(_folder_of(where), []).append((where, pin))
    if len(by_folder) < 2:  # noqa: PLR2004 (two are needed to disagree)
        return {}
    found = {}
    for folder, own in by_folder.items():
        source = detect_source(own, (), v0_only_signs=False, explicit=None)
        if source.origin != _ASSUMED:
            found[folder] = source
    if len({source.version for source in found.values()}) < 2:  # noqa: PLR2004 (same)
        return {}
    inside: dict[PurePosixPath, list[FileFacts]] = {folder: [] for folder in found}
    for file in facts:
        near = nearest(found, file.path)
        if near is not None:
            inside[near] += file.running
    return {
        folder: detect_source(
            by_folder[folder],
            [variable for file in files for variable in file.variables],
            v0_only_signs=any(map(shows_v0, files)),
            explicit=None,
        )
        for folder, files in inside.items()
    }


def nearest(folders: Mapping[PurePosixPath, Source], path: PurePosixPath) -> PurePosixPath | None:
    """The innermost of the folders that a file lies in."""
    return next((folder for folder in path.parents if folder in folders), None)


def _folder_of(where: str) -> PurePosixPath:
    folder = PurePosixPath(where).parent
    return folder.parent if folder.name in _BELONGS_ABOVE else folder
