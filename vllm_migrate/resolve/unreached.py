"""Modules that the target never imports: twins for old releases, which others import by version."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates


def never_imported(syntax: Syntax, gates: VersionGates, package: str) -> frozenset[str]:
    """The modules that a file imports only in branches the target never takes, by their dotted names."""
    dead: set[str] = set()
    alive: set[str] = set()
    imports: list[ast.Import | ast.ImportFrom] = [*syntax.all(ast.Import), *syntax.all(ast.ImportFrom)]
    for node in imports:
        (dead if gates.is_dead(node) else alive).update(_modules(node, package))
    return frozenset(dead - alive)


def unreached(
    never: Mapping[PurePosixPath, frozenset[str]],
    sources: Mapping[PurePosixPath, bytes],
    packages: Mapping[PurePosixPath, str],
) -> frozenset[PurePosixPath]:
    """The project's modules that only dead branches import, and modules that only such modules import.

    Args:
        never: what `never_imported` says of each file.
        sources: the project's Python files.
        packages: the dotted package that each of them lies in.
    """
    names = {path: _name(path, packages[path]) for path in sources}
    candidates = {path for path, name in names.items() if any(name in some for some in never.values())}
    importers = {path: _importers(path, names, sources, packages, never) for path in candidates}
    while True:
        reached = {path for path in candidates if not importers[path] <= candidates}
        if not reached:
            return frozenset(candidates)
        candidates -= reached


def _importers(
    path: PurePosixPath,
    names: Mapping[PurePosixPath, str],
    sources: Mapping[PurePosixPath, bytes],
    packages: Mapping[PurePosixPath, str],
    never: Mapping[PurePosixPath, Collection[str]],
) -> set[PurePosixPath]:
    """The files that import a module in a branch the target may take."""
    word = path.stem.encode()
    return {
        other
        for other, source in sources.items()
        if other != path
        and word in source
        and names[path] not in never.get(other, ())
        and names[path] in _imports(source, packages[other])
    }


def _imports(source: bytes, package: str) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    nodes: Iterable[ast.AST] = ast.walk(tree)
    return {
        name
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in _modules(node, package)
    }


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
