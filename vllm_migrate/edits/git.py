"""What git knows about the files at hand: uncommitted changes, and the lines a branch has changed.

git runs with a list of arguments, in the repository a file lies in, without the settings through which a
repository could make it run other programs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError, UncommittedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_AT_ONCE = 500
"""Paths per command: an argument list has a limit."""

_NAMED = 3
"""Files named in an error."""

_SETTINGS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=true")
_OWN_VARIABLES = frozenset(
    {
        "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS",
        "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
    }
)  # fmt: skip
"""Set inside hooks; they would point git at another repository than the file's."""

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


def uncommitted(files: Iterable[Path]) -> list[Path]:
    """Those of the files that lie in a git work tree and are not there as git has them committed.

    A file that git does not track has no committed state, so it is one of them; a file that git is told to
    ignore, or that lies in no work tree, is none.

    Raises:
        InputError: where git can't tell.
    """
    changed: list[Path] = []
    for root, members in _by_repository(files).items():
        names = {os.fsencode(path.relative_to(root).as_posix()): shown for path, shown in members}
        for some in _batches(list(names)):
            status = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--")
            entries = _git(root, "--literal-pathspecs", *status, *some).split(b"\0")
            changed += [names[entry[3:]] for entry in entries if entry[3:] in names]
    return sorted(changed)


def refuse_uncommitted(files: Iterable[Path]) -> None:
    """Let nothing be written over work that could not be had back.

    Raises:
        UncommittedError: where one of the files is not as git has it committed.
        InputError: where git can't tell.
    """
    try:
        changed = uncommitted(files)
    except InputError as error:
        raise InputError(error.message, hint="--allow-dirty goes ahead without asking git") from None
    if changed:
        names = [os.path.relpath(path) for path in changed[:_NAMED]]
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise UncommittedError(
            f"git has not committed what is in {', '.join(names)}{more}; nothing was written",
            hint="commit first, or go ahead with --allow-dirty; --diff only shows the edits",
        )


def changed_lines(files: Iterable[Path], base: str) -> dict[Path, range | frozenset[int]]:
    """The 1-based lines of each file that differ from the merge base of `base` and HEAD.

    Uncommitted changes count as changes; a file that git does not track, or that a link leads out of the
    work tree to, is new as a whole. Files without a changed line are left out.

    Raises:
        UsageError: where `base` names no commit, or no file lies in a git work tree.
        InputError: where git can't tell.
    """
    if not base or base.startswith("-"):
        raise UsageError(f"{base!r} names no commit")
    found: dict[Path, range | frozenset[int]] = {}
    files = list(files)
    groups = _by_repository(files)
    if files and not groups:
        raise UsageError(f"{files[0]}: lies in no git work tree")
    inside = {shown for members in groups.values() for _, shown in members}
    found.update((file, _ALL_LINES) for file in files if file not in inside)
    for root, members in groups.items():
        wanted = {os.fsencode(path.relative_to(root).as_posix()): shown for path, shown in members}
        commit = _merge_base(root, base)
        diff = ("diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules", "--inter-hunk-context=0")
        for name, lines in parse_diff(_git(root, *diff, *prefixes, commit, "--")).items():
            if name in wanted:
                found[wanted[name]] = lines
        for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0"):
            if name in wanted:
                found[wanted[name]] = _ALL_LINES
    return found


_ALL_LINES = range(1, 1 << 62)


def parse_diff(diff: bytes) -> dict[bytes, frozenset[int]]:
    """The added and changed lines per file of a diff that git wrote with `--unified=0`."""
    found: dict[bytes, set[int]] = defaultdict(set)
    lines = iter(diff.split(b"\n"))
    name: bytes | None = None
    for line in lines:
        if line.startswith(b"+++ "):
            name = _target(line[4:])
        elif name is not None and (hunk := _HUNK.match(line)):
            removed, start, added = (1 if part is None else int(part) for part in hunk.groups())
            found[name].update(range(start, start + added))
            _skip(lines, removed + added)
    return {path: frozenset(numbers) for path, numbers in found.items() if numbers}


def _skip(lines: Iterator[bytes], count: int) -> None:
    """Pass over a hunk's lines: what they say may look like a header."""
    while count and (line := next(lines, None)) is not None:
        count -= not line.startswith(b"\\")  # "\ No newline at end of file" is no line of the file


def _target(written: bytes) -> bytes | None:
    """The path after `+++ `, None where the file is gone."""
    name = written.removesuffix(b"\t")
    if name.startswith(b'"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    return name.removeprefix(b"b/") if name.startswith(b"b/") else None


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code, 8) if len(code) > 1 else _ESCAPED[code[0]]])


def _merge_base(root: Path, base: str) -> str:
    try:
        return _git(root, "merge-base", "HEAD", f"{base}^{{commit}}").decode().strip()
    except InputError as error:
        raise UsageError(
            f"{base!r} and HEAD have no common commit in {root}",
            hint=f"{error.message}; a shallow clone needs its history (`git fetch --unshallow`)",
        ) from None


def _by_repository(files: Iterable[Path]) -> Mapping[Path, list[tuple[Path, Path]]]:
    """The files that lie in a work tree by its root: each as it really is, links resolved, and as named."""
    groups: dict[Path, list[tuple[Path, Path]]] = defaultdict(list)
    roots: dict[Path, Path | None] = {}
    for file in files:
        real = Path(os.path.realpath(file))
        folder = real.parent
        if folder not in roots:
            roots[folder] = next((f for f in (folder, *folder.parents) if (f / ".git").exists()), None)
        root = roots[folder]
        if root is not None:
            groups[root].append((real, file))
    return groups


def _batches(names: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def _git(root: Path, *arguments: str | bytes) -> bytes:
    environment = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *_SETTINGS, *arguments],  # noqa: S607 - the user's git
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise InputError(f"git can't be started in {root}: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit {done.returncode}"]
        raise InputError(f"git in {root}: {said[0]}")
    return done.stdout
