"""Which files a run looks at, and which it leaves out and why.

Nothing is left out silently: what a user would expect to be read and isn't (a vendored copy of vLLM, an
unreadable or oversized file, a loop of links) is returned with its reason. What nobody expects to be read
(.git, virtual environments, ignored files) is not listed.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.ignore import Ignores
from vllm_migrate.files.kinds import HEAD_BYTES, kind_by_name, kind_of
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.config import Config
    from vllm_migrate.files.kinds import FileKind

MAX_BYTES = 5 * 1024 * 1024
"""Larger files are data, not code: parsing them would take minutes."""

TOO_LARGE = f"larger than {MAX_BYTES // 1024**2} MB"

DEFAULT_EXCLUDES = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "build", "dist", "__pycache__",
        "__pypackages__", "site-packages", ".tox", ".nox", ".eggs", ".mypy_cache", ".ruff_cache",
        ".pytest_cache", ".ipynb_checkpoints",
    }
)  # fmt: skip
"""Directory names never entered, unless named on the command line."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read.

    Attributes:
        path: absolute.
        relative: as shown to the user: from the working directory where the file lies under it, else from the
            one directory the user named; absolute where there are several of those, so that it stays unique.
        content: what it contains where that was handed in; None where it is on disk.
    """

    path: Path
    relative: PurePosixPath
    kind: FileKind
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found.

    Attributes:
        skipped: pairs a shown path with the reason, in order of path.
        large: files that are too large to be read closely.
    """

    files: tuple[SourceFile, ...]
    skipped: tuple[tuple[PurePosixPath, str], ...]
    large: tuple[SourceFile, ...] = ()


def discover(paths: Sequence[Path], config: Config) -> Discovery:
    """The files under `paths` that have an adapter. A file named explicitly is always taken.

    Raises:
        InputError: where a path does not exist, or a file named explicitly is of no kind that can be read.
    """
    walk = _Walk(config, several=len(paths) > 1)
    for path in paths:
        walk.add(path)
    walk.drop_second_names()
    files = sorted(walk.files.values(), key=lambda file: str(file.relative))
    return Discovery(tuple(files), tuple(sorted(walk.skipped.items())), tuple(walk.large))


def given_file(path: Path, content: bytes) -> Discovery:
    """One file whose content does not come from disk, where no file of that name need be.

    Raises:
        InputError: where it is of no kind that can be read.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link of that name
    kind = kind_of(PurePosixPath(absolute.as_posix()), content[:HEAD_BYTES])
    if kind is None:
        raise _unknown_kind(path)
    here = Path.cwd()
    shown = absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
    return Discovery((SourceFile(absolute, PurePosixPath(shown.as_posix()), kind, content),), ())


def _unknown_kind(path: Path) -> InputError:
    return InputError(
        f"{path}: not a kind of file that can be checked",
        hint="Python, notebooks, shell, YAML, Dockerfiles, Markdown and files with requirements can be",
    )


class _Walk:
    """The state of one walk: files by absolute path, so that no file is read twice."""

    def __init__(self, config: Config, *, several: bool) -> None:
        self.several = several
        self.files: dict[Path, SourceFile] = {}
        self.links: set[Path] = set()  # of them, those that were reached through a link
        self.large: list[SourceFile] = []
        self.skipped: dict[PurePosixPath, str] = {}
        self.excludes = config.exclude
        self.exclude_root = config.root
        self.here = Path.cwd()

    def add(self, path: Path) -> None:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link the user named
        if absolute.is_dir():
            ignores = Ignores.above(absolute, self.exclude_root or absolute, self.excludes)
            self._directory(absolute, absolute, ignores, frozenset())
        elif absolute.is_file():
            kind = kind_by_name(absolute.name) or self._kind_by_content(absolute)
            if kind is None:
                raise _unknown_kind(path)
            self._take(absolute, self._shown(absolute, absolute.parent), kind)
        else:
            raise InputError(f"{path}: no such file or directory")

    def _shown(self, path: Path, root: Path) -> PurePosixPath:
        if path.is_relative_to(self.here):
            return PurePosixPath(path.relative_to(self.here).as_posix())
        return PurePosixPath((path if self.several else path.relative_to(root)).as_posix())

    def _take(self, path: Path, relative: PurePosixPath, kind: FileKind) -> None:
        if path not in self.files:
            self.files[path] = SourceFile(path, relative, kind)

    def _directory(
        self,
        folder: Path,
        root: Path,
        ignores: Ignores,
        ancestors: frozenset[tuple[int, int]],
        *,
        linked: bool = False,
    ) -> None:
        shown = self._shown(folder, root)
        try:
            identity = folder.stat()
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.skipped[shown] = f"directory can't be read: {error.strerror}"
            return
        key = (identity.st_dev, identity.st_ino)
        if key in ancestors:
            self.skipped[shown] = "a link back to a directory above it"
            return
        names = {entry.name for entry in entries}
        if folder != root and _vendored(folder, names):
            self.skipped[shown] = "a vendored copy of vLLM: replace the copy, don't rewrite it"
            return
        if ".gitignore" in names:
            ignores = ignores.extended(folder)
        for entry in entries:
            if entry.is_symlink() and not self._may_follow(entry, root, shown):
                continue
            if _is_dir(entry):
                if not _excluded(entry.name) and not ignores.match(entry.path, directory=True):
                    inner = linked or entry.is_symlink()
                    self._directory(folder / entry.name, root, ignores, ancestors | {key}, linked=inner)
            else:
                self._file(entry, shown, ignores, linked=linked)

    def _may_follow(self, entry: os.DirEntry[str], root: Path, folder: PurePosixPath) -> bool:
        """Whether a link stays inside what the user named: what lies elsewhere was not asked about."""
        leads_to = Path(os.path.realpath(entry.path))
        if leads_to.is_relative_to(os.path.realpath(root)) or not leads_to.exists():
            return True  # one that leads nowhere is told as that
        if _is_dir(entry) or kind_by_name(entry.name) is not None:
            self.skipped[folder / entry.name] = "a link out of the directory that was named"
        return False

    def drop_second_names(self) -> None:
        """A file that was found through a link and by its own name is read, and edited, once."""
        for path in self.links & self.files.keys():
            target = Path(os.path.realpath(path))
            if target in self.files and target != path:
                del self.files[path]

    def _file(
        self, entry: os.DirEntry[str], folder: PurePosixPath, ignores: Ignores, *, linked: bool
    ) -> None:
        kind = kind_by_name(entry.name)
        if kind is None and entry.name.endswith((".txt", ".in")):
            kind = kind_of(PurePosixPath(entry.path), b"")
        if kind is None and ("." in entry.name or not _is_script(entry)):
            return
        if ignores.match(entry.path, directory=False):
            return
        shown = folder / entry.name
        try:
            size = entry.stat().st_size
        except OSError as error:
            self.skipped[shown] = (
                "a link to nothing" if entry.is_symlink() else f"can't be read: {error.strerror}"
            )
            return
        if not entry.is_file():
            return  # a pipe or device: nobody expects it to be read
        path = Path(entry.path)
        kind = kind or self._kind_by_content(path)
        if kind is None:
            return
        if size > MAX_BYTES:
            self.skipped[shown] = TOO_LARGE
            self.large.append(SourceFile(path, shown, kind))
            return
        if linked or entry.is_symlink():
            self.links.add(path)
        self._take(path, shown, kind)

    @staticmethod
    def _kind_by_content(path: Path) -> FileKind | None:
        try:
            with path.open("rb") as file:
                return kind_of(PurePosixPath(path.name), file.read(HEAD_BYTES))
        except OSError:
            return None


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_script(entry: os.DirEntry[str]) -> bool:
    """A file without a suffix is opened for its `#!` only where it may be run."""
    try:
        return entry.is_file() and bool(entry.stat().st_mode & 0o111)
    except OSError:
        return False


def _excluded(name: str) -> bool:
    return name in DEFAULT_EXCLUDES or name.endswith(".egg-info")


def _vendored(folder: Path, names: set[str]) -> bool:
    """Whether this directory is somebody's copy of vLLM rather than code that uses it.

    It is where it holds vLLM's own engine modules, directly (verl's `third_party/vllm/vllm_v_0_6_3`) or in an
    `engine` package (a plain copy), or is a checkout of vLLM's repository. A package that merely re-exports
    vLLM from such a place (verl's `third_party/vllm/__init__.py`) is the user's and is read: names are
    resolved through it.
    """
    if "arg_utils.py" in names and any(name.startswith("llm_engine") for name in names):
        return True
    if "engine" in names and _is_engine_package(folder / "engine"):
        return True
    return folder.name == "vllm" and "vllm" in names and _is_engine_package(folder / "vllm" / "engine")


def _is_engine_package(folder: Path) -> bool:
    return (folder / "llm_engine.py").is_file() and (folder / "arg_utils.py").is_file()
