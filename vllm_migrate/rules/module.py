"""The names of a parsed file: what its module binds, and what a function binds once."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from vllm_migrate.files.python import parse_python
from vllm_migrate.resolve.syntax import Syntax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.syntax import Function

_N = TypeVar("_N", bound=ast.AST)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Module:
    """One parsed file.

    Attributes:
        tree: its syntax tree.
        definitions: functions and classes at module level, by name.
        names: all names bound at module level outside an `if __name__ == "__main__":`, which is what the
            engine's process has, too.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.definitions: dict[str, ast.stmt] = {}
        self.names: set[str] = set()
        self._syntax = Syntax(tree)
        for statement in _running(tree.body):
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                self.definitions[statement.name] = statement
                self.names.add(statement.name)
            elif isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.names.update(a.asname or a.name.partition(".")[0] for a in statement.names)
            else:
                self.names.update(_assigned(statement))

    def all(self, kind: type[_N]) -> list[_N]:
        """All nodes of exactly this kind, outer ones first."""
        return self._syntax.all(kind)

    def functions(self) -> Iterator[Function]:
        """All function definitions."""
        return self._syntax.functions()

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        return self._syntax.ancestors(node)

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function around a node, or the module."""
        return next((above for above in self.around(node) if isinstance(above, _FUNCTIONS)), self.tree)

    def value(self, name: ast.Name) -> ast.expr | None:
        """What a local name is assigned, where that happens exactly once and before it is used."""
        scope = self.scope(name)
        found = [
            node
            for node in ast.walk(scope)
            if isinstance(node, ast.Name)
            and node.id == name.id
            and isinstance(node.ctx, ast.Store)
            and self.scope(node) is scope
        ]
        if len(found) != 1 or found[0].lineno > name.lineno:
            return None
        statement = self._syntax.parents[found[0]]
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            return statement.value
        return None

    def definition(self, name: ast.Name) -> ast.FunctionDef | None:
        """The function a name stands for, defined in the same function or at module level, once."""
        scope = self.scope(name)
        for place in (scope, self.tree):
            found = [
                node
                for node in ast.walk(place)
                if isinstance(node, ast.FunctionDef) and node.name == name.id and self.scope(node) is place
            ]
            if found:
                return found[0] if len(found) == 1 else None
        return None


@lru_cache(maxsize=1)
def parsed_module(path: PurePosixPath, source: bytes) -> tuple[Module, SourceText]:
    """A file's module and its text; the last one is kept, as rules ask about the same file in turn.

    Raises:
        InputError: where it can't be parsed.
    """
    parsed = parse_python(path, source)
    return Module(parsed.module), parsed.text


def found_again(file: FileFacts, call: Call) -> tuple[Module, ast.Call] | None:
    """The node of a call that was located, and the module around it; None where no node has its place."""
    module, text = parsed_module(file.path, file.source)
    node = next((one for one in module.all(ast.Call) if text.span(one) == call.span), None)
    return None if node is None else (module, node)


def _running(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module that run on import, those under `if` and `try` included."""
    for statement in body:
        if isinstance(statement, ast.If):
            if "__main__" not in ast.dump(statement.test):
                yield from _running([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            handled = [s for handler in statement.handlers for s in handler.body]
            yield from _running([*statement.body, *handled, *statement.orelse, *statement.finalbody])
        else:
            yield statement


def _assigned(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
