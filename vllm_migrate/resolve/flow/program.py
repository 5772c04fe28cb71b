"""A project's modules, read when they are asked for, and who calls whom among them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.python import parse_python
from vllm_migrate.files.yaml_tree import YamlNode, read_yaml_tree
from vllm_migrate.resolve.syntax import FUNCTIONS, Syntax, last_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.project import ProjectIndex

_WORD = re.compile(rb"\w+")
_DEEPEST = 6


@dataclass(frozen=True, eq=False)
class Module:
    """One parsed file."""

    path: PurePosixPath
    text: SourceText
    syntax: Syntax


class Program:
    """The files of a tree by their paths; modules are parsed, and YAML files read, once each.

    Args:
        sources: the bytes of each.
        index: whose syntax trees are taken where it has them; None parses every module.
        cells: notebooks, of which `sources` has the code of their cells.
    """

    def __init__(
        self,
        sources: Mapping[PurePosixPath, bytes],
        index: ProjectIndex | None = None,
        *,
        cells: Collection[PurePosixPath] = (),
    ) -> None:
        self._sources = sources
        self._cells = cells
        self._index = index
        self._modules: dict[PurePosixPath, Module | None] = {}
        self._trees: dict[PurePosixPath, YamlNode | None] = {}
        self._calls: dict[PurePosixPath, dict[str, list[ast.Call]]] = {}
        self._words: dict[PurePosixPath, frozenset[bytes]] = {}

    @property
    def python(self) -> list[PurePosixPath]:
        """Paths of all Python files."""
        return [path for path in self._sources if path.suffix == ".py" or path in self._cells]

    @property
    def yaml(self) -> list[PurePosixPath]:
        """Paths of all YAML files."""
        return [path for path in self._sources if path.suffix in (".yaml", ".yml")]

    def source(self, path: PurePosixPath) -> bytes:
        """The bytes of a file."""
        return self._sources[path]

    def module(self, path: PurePosixPath) -> Module | None:
        """A Python file, None where it can't be read."""
        if path not in self._modules:
            self._modules[path] = self._parsed(path, self._sources[path]) if path in self._sources else None
        return self._modules[path]

    def _parsed(self, path: PurePosixPath, source: bytes) -> Module | None:
        kept = self._index.parsed(path, source) if self._index is not None else None
        if kept is not None:
            return Module(path, kept[0].text, kept[1])
        try:
            parsed = parse_python(path, source)
        except InputError:
            return None
        return Module(path, parsed.text, Syntax(parsed.module))

    def tree(self, path: PurePosixPath) -> YamlNode | None:
        """A YAML file, None where it can't be read."""
        if path not in self._trees:
            try:
                self._trees[path] = read_yaml_tree(self._sources[path])
            except InputError:
                self._trees[path] = None
        return self._trees[path]

    def naming(self, word: str) -> Iterator[Module]:
        """The modules in whose text a word occurs."""
        wanted = word.encode()
        for path in self.python:
            source = self._sources[path]
            if wanted not in source:
                continue
            if path not in self._words:
                self._words[path] = frozenset(_WORD.findall(source))
            if wanted in self._words[path] and (module := self.module(path)) is not None:
                yield module

    def calls(self, module: Module, name: str) -> list[ast.Call]:
        """The calls of something called `name` in a module; `X.remote(...)` is one of X."""
        known = self._calls.get(module.path)
        if known is None:
            known = self._calls[module.path] = {}
            for call in module.syntax.all(ast.Call):
                for called in called_names(call):
                    known.setdefault(called, []).append(call)
        return known.get(name, [])

    # Imports

    def imported(self, module: Module, alias: ast.alias, statement: ast.AST) -> tuple[Module, str] | None:
        """The module of the project an imported name comes from, and its name there; "" for the module."""
        if isinstance(statement, ast.Import):
            found = self._module_named(alias.name, module)
            return (found, "") if found is not None else None
        assert isinstance(statement, ast.ImportFrom)  # noqa: S101 (imports are of two kinds)
        base = statement.module or ""
        if statement.level:
            folder = module.path.parent
            for _ in range(statement.level - 1):
                folder = folder.parent
            parts = (*folder.parts, *filter(None, base.split(".")))
            inner = self._at((*parts, alias.name))
            if inner is not None:
                return inner, ""
            found = self._at(parts)
        else:
            inner = self._module_named(f"{base}.{alias.name}", module)
            if inner is not None:
                return inner, ""
            found = self._module_named(base, module)
        return (found, alias.name) if found is not None else None

    def _module_named(self, dotted: str, seen_from: Module) -> Module | None:
        """The project's module of that name, the one nearest to who imports it."""
        parts = tuple(dotted.split("."))
        tails = ((*parts[:-1], parts[-1] + ".py"), (*parts, "__init__.py"))
        found = [
            path
            for path in self.python
            if any(path.parts[-len(tail) :] == tail for tail in tails) and path != seen_from.path
        ]
        if not found:
            return None
        here = seen_from.path.parts
        found.sort(key=lambda path: (-_shared(path.parts, here), len(path.parts)))
        return self.module(found[0])

    def _at(self, parts: tuple[str, ...]) -> Module | None:
        if not parts:
            return None
        for path in (PurePosixPath(*parts[:-1], parts[-1] + ".py"), PurePosixPath(*parts, "__init__.py")):
            if path in self._sources:
                return self.module(path)
        return None

    def definition(
        self, module: Module, name: str, depth: int = 0
    ) -> tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] | None:
        """The function or class a module-level name stands for, through the project's imports."""
        bindings = module.syntax.bindings.get(module.syntax.module, {}).get(name, [])
        for binding in bindings:
            if isinstance(binding.node, (*FUNCTIONS, ast.ClassDef)):
                return module, binding.node
            if binding.kind == "import" and isinstance(binding.node, ast.alias) and depth < _DEEPEST:
                found = self.imported(module, binding.node, binding.statement)
                if found is not None and found[1] and found[0] is not module:
                    return self.definition(found[0], found[1], depth + 1)
        return None


def called_names(call: ast.Call) -> Iterator[str]:
    """The last name of what a call calls; of an actor's `X.options(...).remote(...)` it is X.

    Classes that are handed to somebody who builds them, `partial(X, ...)`, count as called with the rest.
    """
    func: ast.expr = call.func
    if isinstance(func, ast.Attribute) and func.attr == "remote":
        func = func.value
        while isinstance(func, ast.Call):
            func = func.args[0] if _is_wrapper(func) else func.func
            if isinstance(func, ast.Attribute) and func.attr == "options":
                func = func.value
    name = last_name(func)
    if name:
        yield name
    handed = [a for a in call.args[:1] if name in ("partial", "remote")]
    handed += [k.value for k in call.keywords if k.arg == "cls"]
    for one in handed:
        yield from filter(None, (last_name(one),))


def _is_wrapper(call: ast.Call) -> bool:
    """`ray.remote(X)` in front of `.remote(...)`."""
    return last_name(call.func) == "remote" and bool(call.args)


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
