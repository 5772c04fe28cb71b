"""`with patch("dotted.target", ...)` blocks."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span
from vllm_migrate.files.weight_sync import PatchItem, WithPatch
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import in_order

if TYPE_CHECKING:
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

_PATCH = ("unittest.mock.patch", "mock.patch")


class PatchReader:
    """Finds the blocks and follows names bound to a patch earlier."""

    def __init__(self, syntax: Syntax, names: Names, text: SourceText) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text

    def patches(self) -> tuple[WithPatch, ...]:
        """All `with` blocks with at least one patch, in source order."""
        found = []
        for node in in_order([*self._syntax.all(ast.With), *self._syntax.all(ast.AsyncWith)]):
            assert isinstance(node, (ast.With, ast.AsyncWith))  # noqa: S101 (the two lists)
            items = tuple(i for i in map(self._item, node.items) if i is not None)
            if items:
                body = Span(self._text.span(node.body[0]).start, self._text.span(node.body[-1]).end)
                found.append(WithPatch(items, self._text.span(node), body))
        return tuple(found)

    def _item(self, item: ast.withitem) -> PatchItem | None:
        expression = item.context_expr
        end = item.optional_vars or expression
        span = Span(self._text.span(expression).start, self._text.span(end).end)
        target = self._target(expression)
        if target:
            return PatchItem(target, span)
        if not isinstance(expression, ast.Name):
            return None
        found = self._syntax.lookup(expression.id, expression)
        if found is None or len(found[1]) != 1:
            return None
        binding = found[1][0]
        target = self._target(binding.node)
        if not target or not isinstance(binding.statement, ast.Assign):
            return None
        uses = [
            use
            for use in self._syntax.loads.get(expression.id, [])
            if (place := self._syntax.lookup(use.id, use)) is not None and place[0] is found[0]
        ]
        only_here = len(uses) == 1 and len(binding.statement.targets) == 1
        return PatchItem(target, span, self._text.span(binding.statement) if only_here else None)

    def _target(self, node: ast.AST) -> str:
        """What a call of `patch` or `patch.object` patches, "" where it is no such call."""
        if not (isinstance(node, ast.Call) and node.args):
            return ""
        meaning = self._names.of(node.func)
        name = meaning.name if meaning is not None and meaning.kind is Kind.NAME else ""
        first = node.args[0]
        if name in _PATCH:
            return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        if name.removesuffix(".object") in _PATCH and len(node.args) > 1:
            owner, attribute = self._names.qualified(first), node.args[1]
            if owner and isinstance(attribute, ast.Constant) and isinstance(attribute.value, str):
                return f"{owner}.{attribute.value}"
        return ""
