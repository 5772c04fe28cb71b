"""`.gitignore` files and the `exclude` setting: which paths a walk leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class Ignores:
    """The patterns in force in one directory, outermost first; each set counts from its own folder.

    As in git, the innermost file that has an opinion decides, and nothing inside an ignored directory comes
    back. The `exclude` setting can't be undone by a `.gitignore`.
    """

    layers: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    excludes: tuple[str, GitIgnoreSpec] | None = None

    @staticmethod
    def above(folder: Path, exclude_root: Path, exclude: tuple[str, ...]) -> Ignores:
        """What holds for `folder`: `exclude` and the `.gitignore` files above it in its repository.

        A folder that those files ignore was named all the same, so they have no say in it.
        """
        ignores = Ignores(excludes=(f"{exclude_root.as_posix()}/", _spec(exclude)) if exclude else None)
        above: list[Path] = []
        if not (folder / ".git").exists():
            for parent in folder.parents:
                above.append(parent)
                if (parent / ".git").exists():
                    break
            else:
                above = []  # in no repository: a stray file in the home directory must not decide
        for parent in reversed(above):
            if (parent / ".gitignore").is_file():
                ignores = ignores.extended(parent)
        named = (folder, *folder.parents[: len(above)])
        if any(ignores.ignored_by_git(path.as_posix()) for path in named):
            return Ignores(excludes=ignores.excludes)
        return ignores

    def extended(self, folder: Path) -> Ignores:
        """These patterns and those of the `.gitignore` in `folder`; none where that can't be read."""
        try:
            lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return self
        layer = (f"{folder.as_posix().rstrip('/')}/", _spec(lines))
        return Ignores((*self.layers, layer), self.excludes)

    def match(self, path: str, *, directory: bool) -> bool:
        """Whether the walk leaves out `path`, absolute."""
        if not self.layers and self.excludes is None:
            return False
        name = f"{path}/" if directory else path
        if self.excludes is not None:
            base, spec = self.excludes
            if name.startswith(base) and spec.match_file(name[len(base) :]):
                return True
        return self.ignored_by_git(path, directory=directory)

    def ignored_by_git(self, path: str, *, directory: bool = True) -> bool:
        """Whether the `.gitignore` files alone leave `path` out."""
        name = f"{path}/" if directory else path
        for base, spec in reversed(self.layers):
            decided = spec.check_file(name[len(base) :]).include if name.startswith(base) else None
            if decided is not None:
                return decided
        return False


def _spec(lines: list[str] | tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow, and many trees need none

    return GitIgnoreSpec.from_lines(line for line in lines if _is_valid(line))


def _is_valid(line: str) -> bool:
    """Git passes over patterns it can't read; pathspec raises on them."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # noqa: PLC0415 - as above

    try:
        GitIgnoreSpecPattern(line)
    except ValueError:
        return False
    return True
