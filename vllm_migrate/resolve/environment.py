"""Environment variables as Python code sets, reads and removes them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span, Value, Variable

if TYPE_CHECKING:
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.calls import CallReader
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

_OURS = re.compile(r"^VLLM_[A-Z0-9_]+$")  # vLLM's: recognised in any dictionary, whatever it is called
_ENVIRONMENTS = ("os.environ", "environ")
_METHODS = {"get": "read", "setdefault": "default", "pop": "unset"}
_FUNCTIONS = {"os.getenv": "read", "os.putenv": "set", "os.unsetenv": "unset"}


class EnvironmentReader:
    """Finds environment variables."""

    def __init__(
        self, syntax: Syntax, names: Names, text: SourceText, gates: VersionGates, calls: CallReader
    ) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._gates = gates
        self._calls = calls

    def variables(self) -> tuple[Variable, ...]:
        """All variables in source order."""
        found: list[Variable] = []
        for subscript in self._syntax.all(ast.Subscript):
            found += self._subscript(subscript)
        for call in self._syntax.all(ast.Call):
            found += self._call(call)
        for literal in self._syntax.all(ast.Dict):
            for key, value in zip(literal.keys, literal.values, strict=True):
                name = _text(key)
                if name and key is not None and (_OURS.match(name) or self._updates_environment(literal)):
                    found.append(self._entry(name, key, value))
        for compare in self._syntax.all(ast.Compare):
            name = _text(compare.left)
            member = name and isinstance(compare.ops[0], (ast.In, ast.NotIn))
            if member and self._is_environment(compare.comparators[0]):
                found.append(self._variable(name, None, "read", compare, compare.left, removable=False))
        return tuple(sorted(found, key=lambda v: (v.span, v.name_span)))

    def _is_environment(self, node: ast.expr) -> bool:
        return self._names.qualified(node) in _ENVIRONMENTS

    def _concerns(self, name: str, place: ast.expr) -> bool:
        return name.isupper() and (bool(_OURS.match(name)) or self._is_environment(place))

    def _subscript(self, node: ast.Subscript) -> list[Variable]:
        name = _text(node.slice)
        if not self._concerns(name, node.value):
            return []
        parent = self._syntax.parents[node]
        if isinstance(node.ctx, ast.Load):
            return [self._variable(name, None, "read", node, node.slice, removable=False)]
        if isinstance(node.ctx, ast.Del):
            alone = isinstance(parent, ast.Delete) and len(parent.targets) == 1
            return [
                self._variable(name, None, "unset", parent if alone else node, node.slice, removable=alone)
            ]
        alone = isinstance(parent, ast.Assign) and len(parent.targets) == 1
        value = parent.value if isinstance(parent, (ast.Assign, ast.AugAssign)) else None
        return [self._variable(name, value, "set", parent if alone else node, node.slice, removable=alone)]

    def _call(self, node: ast.Call) -> list[Variable]:
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr == "setenv":
            name = _text(node.args[0]) if node.args else ""
            return [self._called(node, name, "set")] if _OURS.match(name) else []
        if isinstance(func, ast.Attribute) and func.attr in _METHODS and node.args:
            name = _text(node.args[0])
            return [self._called(node, name, _METHODS[func.attr])] if self._concerns(name, func.value) else []
        action = _FUNCTIONS.get(self._names.qualified(func)) if node.args else None
        if action is not None and _text(node.args[0]):
            return [self._called(node, _text(node.args[0]), action)]
        updates = (
            isinstance(func, ast.Attribute) and func.attr == "update" and self._is_environment(func.value)
        )
        return [
            self._entry(k.arg, k, k.value) for k in node.keywords if k.arg and (updates or _OURS.match(k.arg))
        ]

    def _called(self, node: ast.Call, name: str, action: str) -> Variable:
        parent = self._syntax.parents[node]
        alone = isinstance(parent, ast.Expr) and action != "read"
        value = node.args[1] if len(node.args) > 1 and action != "unset" else None
        return self._variable(name, value, action, parent if alone else node, node.args[0], removable=alone)

    def _updates_environment(self, literal: ast.Dict) -> bool:
        call = self._syntax.parents[literal]
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "update"
            and self._is_environment(call.func.value)
        )

    def _entry(self, name: str, key: ast.expr | ast.keyword, value: ast.expr) -> Variable:
        start = self._text.span(key).start
        name_span = (
            self._calls.inside_quotes(key) if isinstance(key, ast.expr) else Span(start, start + len(name))
        )
        return Variable(
            name,
            self._calls.value(value),
            "set",
            Span(start, self._text.span(value).end),
            name_span,
            dead=self._gates.is_dead(value),
        )

    def _variable(
        self,
        name: str,
        value: ast.expr | None,
        action: str,
        whole: ast.AST,
        key: ast.expr,
        *,
        removable: bool,
    ) -> Variable:
        assert isinstance(whole, (ast.expr, ast.stmt))  # noqa: S101 (callers pass nothing else)
        return Variable(
            name,
            self._calls.value(value) if value is not None else Value(""),
            action,
            self._text.span(whole),
            self._calls.inside_quotes(key),
            removable,
            self._gates.is_dead(whole),
        )


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
