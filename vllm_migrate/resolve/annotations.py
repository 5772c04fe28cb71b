"""What annotations say about the objects they stand at."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.alternatives import many_of
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.names import Names

_MANY = {"List", "list", "Sequence", "Iterable", "Iterator", "AsyncIterator", "AsyncGenerator", "Tuple"}
_WRAPPING = {"Optional", "Union", "Annotated", "Final", "ClassVar"}


class Annotations:
    """Answers for one file."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def of(self, node: ast.expr) -> Meaning | None:
        """An object of the annotated type; likely, since annotations bind nobody."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._quoted(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self.of(node.left) or self.of(node.right)
        if isinstance(node, ast.Subscript):
            head = last_name(node.value)
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            found = next((m for m in map(self.of, inner) if m is not None), None)
            if head in _MANY:
                return many_of(found)
            return found if head in _WRAPPING else None
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        meaning = self._names.of(node)
        if meaning is None:
            return None
        if meaning.kind is Kind.NAME and known.is_known(meaning.name) and known.is_class_name(meaning.name):
            return Meaning(Kind.INSTANCE, known.canonical(meaning.name), Certainty.LIKELY)
        if meaning.kind is Kind.CLASS:
            return Meaning(Kind.OBJECT, meaning.name, Certainty.LIKELY, meaning.node, meaning.user)
        return None

    def _quoted(self, node: ast.Constant) -> Meaning | None:
        try:
            inner = ast.parse(str(node.value), mode="eval").body
        except (SyntaxError, ValueError):
            return None
        self._names.syntax.adopt(node, inner)
        return self.of(inner)
