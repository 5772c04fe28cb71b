"""Modules that the target never imports: twins for old releases, which others import by version."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import Syntax

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.resolve.versions import VersionGates


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
    """The project's modules that only dead branches import, and modules that only such modules import.

    Args:
        never: what `never_imported` says of each file.
        read: what `may_import` says of the files that were read; others are parsed where they name one.
        sources: the project's Python files.
        packages: the dotted package that each of them lies in.
    """
    names = {path: _name(path, packages[path]) for path in sources}
    candidates = {path for path, name in names.items() if any(name in some for some in never.values())}
    imports = dict(read)
    importers = {path: _importers(path, names, sources, packages, never, imports) for path in candidates}
    while True:
        reached = {path for path in candidates if not importers[path] <= candidates}
        if not reached:
            return frozenset(candidates)
        candidates -= reached


def _importers(  # noqa: PLR0917 (what is known of the project's files)
    path: PurePosixPath,
    names: Mapping[PurePosixPath, str],
    sources: Mapping[PurePosixPath, bytes],
    packages: Mapping[PurePosixPath, str],
    never: Mapping[PurePosixPath, Collection[str]],
    imports: dict[PurePosixPath, frozenset[str]],
) -> set[PurePosixPath]:
    """The files that import a module in a branch the target may take; `imports` grows by what is parsed."""
    word = path.stem.encode()
    found: set[PurePosixPath] = set()
    for other, source in sources.items():
        if other == path or word not in source or names[path] in never.get(other, ()):
            continue
        if other not in imports:
            imports[other] = _parsed_imports(source, packages[other])
        if names[path] in imports[other]:
            found.add(other)
    return found


def _parsed_imports(source: bytes, package: str) -> frozenset[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    return may_import(Syntax(tree), package)


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
