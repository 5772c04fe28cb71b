"""Modules that the target never imports: twins for old releases, which others import by version."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.resolve.import_text import modules_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

_MAIN = b"__main__"
_DOTTED = re.compile(rb"[\"']((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*)(?::\w+)?[\"']")


def never_imported(syntax: Syntax, gates: VersionGates, package: str) -> frozenset[str]:
    """The modules that a file imports only in branches the target never takes, by their dotted names."""
    dead: set[str] = set()
    alive: set[str] = set()
    for node in syntax.imports():
        (dead if gates.is_dead(node) else alive).update(_modules(node, package))
    return frozenset(dead - alive)


def may_import(syntax: Syntax, package: str) -> frozenset[str]:
    """The modules that a file imports in any branch, by their dotted names."""
    return frozenset(name for node in syntax.imports() for name in _modules(node, package))


def unreached(
    never: Mapping[PurePosixPath, frozenset[str]],
    read: Mapping[PurePosixPath, frozenset[str]],
    sources: Mapping[PurePosixPath, bytes],
    packages: Mapping[PurePosixPath, str],
) -> frozenset[PurePosixPath]:
    """The project's modules that only dead branches import, and modules that only such modules name.

    A module counts as named by an import and by its dotted name in a string, as `worker_cls` takes it, and
    a package by whatever names a module in it. One that is named nowhere at all is a script or a test, and
    so is one that asks for `__main__`: they are started by somebody.

    Args:
        never: what `never_imported` says of each file.
        read: what `may_import` says of the files that were read; of others it is read off the text.
        sources: the project's Python files.
        packages: the dotted package that each of them lies in.
    """
    return _Unreached(never, dict(read), sources, packages).find()


class _Unreached:
    def __init__(
        self,
        never: Mapping[PurePosixPath, frozenset[str]],
        imports: dict[PurePosixPath, frozenset[str]],
        sources: Mapping[PurePosixPath, bytes],
        packages: Mapping[PurePosixPath, str],
    ) -> None:
        self._given = never
        self._imports = imports
        self._sources = sources
        self._packages = packages
        self._names = {path: _name(path, packages[path]) for path in sources}
        times = Counter(self._names.values())
        self._paths = {name: path for path, name in self._names.items() if times[name] == 1}

    def find(self) -> frozenset[PurePosixPath]:
        never = {name for path in self._given for name in self._never(path)}
        candidates = self._grown({path for path, name in self._names.items() if name in never})
        users = {path: self._users(path, candidates) for path in candidates}
        while True:
            reached = {path for path in candidates if not users[path] <= candidates}
            if not reached:
                return frozenset(candidates)
            candidates -= reached

    def _never(self, path: PurePosixPath) -> set[str]:
        """The modules and packages that are imported only by what a file never comes to."""
        return {*_with_packages(self._given[path])} - self._alive_in(path)

    def _grown(self, candidates: set[PurePosixPath]) -> set[PurePosixPath]:
        """The candidates with all modules they name, directly or not.

        But for what is started by itself, and for the modules that choose by version: they are reached.
        """
        found: set[PurePosixPath] = set()
        pending = candidates
        while pending:
            found |= pending
            named = {name for path in pending for name in _with_packages(self._all_in(path))}
            pending = {
                path
                for path in (self._paths[name] for name in named if name in self._paths)
                if path not in found and path not in self._given and _MAIN not in self._sources[path]
            }
        return found

    def _users(self, path: PurePosixPath, candidates: set[PurePosixPath]) -> set[PurePosixPath]:
        """The other files that name a module in a place the target may come to, or that lie in a package.

        They end with the first that is no candidate: by it the module is reached.
        """
        found: set[PurePosixPath] = set()
        for user in self._naming.get(self._names[path], ()):
            if user != path:
                found.add(user)
                if user not in candidates:
                    break
        return found

    @cached_property
    def _naming(self) -> dict[str, list[PurePosixPath]]:
        """The files that name each module, or lie in it."""
        found: dict[str, list[PurePosixPath]] = {}
        for path in self._sources:
            for name in {*self._alive_in(path), *_with_packages((self._packages[path],))}:
                found.setdefault(name, []).append(path)
        return found

    def _alive_in(self, path: PurePosixPath) -> frozenset[str]:
        """What a file names of modules where the target may come, with the packages these lie in."""
        return frozenset(_with_packages(self._all_in(path) - self._given.get(path, frozenset())))

    def _all_in(self, path: PurePosixPath) -> set[str]:
        """What a file names of modules, in imports and in strings, and the package it lies in."""
        source = self._sources[path]
        if path not in self._imports:
            self._imports[path] = modules_named(source, self._packages[path])
        strings = {match[1].decode() for match in _DOTTED.finditer(source)}
        return {*self._imports[path], *strings, self._packages[path]}


def _with_packages(names: Iterable[str]) -> Iterator[str]:
    """Dotted names with all that they lie in: importing `a.b.c` imports `a` and `a.b`."""
    for name in names:
        while name:
            yield name
            name = name.rpartition(".")[0]  # noqa: PLW2901 - on the way up


def _modules(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """The dotted names an import may be of a module of: `from a import b` takes a.b where that is one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    parts = package.split(".") if node.level and package else []
    parts = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
    module = ".".join([*parts, *([node.module] if node.module else [])])
    yield module
    yield from (f"{module}.{alias.name}" for alias in node.names)


def _name(path: PurePosixPath, package: str) -> str:
    return package if path.stem == "__init__" else ".".join(filter(None, (package, path.stem)))
