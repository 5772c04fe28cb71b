"""vLLM's version in numbers: `Version(vllm.__version__).release[:2] < (0, 8)`, `parse(v).minor >= 8`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.resolve.syntax import Syntax

_PLACES = {"major": 0, "minor": 1, "micro": 2}
_DEEPEST = 4


class VersionNumbers:
    """Finds what an expression of numbers comes to on the target.

    Args:
        is_version: whether an expression is vLLM's version, as text or parsed.
        release: the target's, three numbers at least.
    """

    def __init__(
        self, syntax: Syntax, is_version: Callable[[ast.expr], bool], release: tuple[int, ...]
    ) -> None:
        self._syntax = syntax
        self._is_version = is_version
        self._release = release

    def of(self, node: ast.expr, depth: int = 0) -> tuple[int, ...] | int | None:
        """The number, or the numbers; None for anything else."""
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            bound = found[1][0] if found is not None and len(found[1]) == 1 else None
            if bound is None or bound.kind != "value" or bound.path or not isinstance(bound.node, ast.expr):
                return None
            return self.of(bound.node, depth + 1)
        if isinstance(node, ast.Attribute):
            if node.attr == "release" and self._is_version(node.value):
                return self._release
            place = _PLACES.get(node.attr)
            return self._release[place] if place is not None and self._is_version(node.value) else None
        if isinstance(node, ast.Subscript):
            return self._part(node, depth)
        return self._converted(node) if isinstance(node, ast.Call) else None

    def _part(self, node: ast.Subscript, depth: int) -> tuple[int, ...] | int | None:
        whole = self.of(node.value, depth + 1)
        if not isinstance(whole, tuple):
            return None
        if isinstance(node.slice, ast.Slice):
            end = _first(node.slice)
            return whole[:end] if end is not None else None
        at = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return whole[at] if isinstance(at, int) and 0 <= at < len(whole) else None

    def _converted(self, node: ast.Call) -> tuple[int, ...] | None:
        """`tuple(map(int, version.split(".")[:2]))`, `tuple(int(x) for x in version.split(".")[:2])`."""
        if getattr(node.func, "id", "") not in ("tuple", "list") or len(node.args) != 1:
            return None
        inner = node.args[0]
        if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "map":
            match inner.args:
                case [ast.Name(id="int"), texts]:
                    return self._split(texts)
        if isinstance(inner, (ast.GeneratorExp, ast.ListComp)) and len(inner.generators) == 1:
            one = inner.generators[0]
            match inner.elt:
                case ast.Call(func=ast.Name(id="int"), args=[ast.Name(id=name)]) if not one.ifs:
                    return self._split(one.iter) if getattr(one.target, "id", "") == name else None
        return None

    def _split(self, node: ast.expr) -> tuple[int, ...] | None:
        """`version.split(".")[:2]`: of three parts or more the last may be no number."""
        if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)):
            return None
        end, call = _first(node.slice), node.value
        if end is None or not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            return None
        if call.func.attr != "split" or not self._is_version(call.func.value):
            return None
        return self._release[:end]


def _first(part: ast.Slice) -> int | None:
    """How many of the first elements a slice takes; None where that isn't what it does."""
    if part.lower is not None or part.step is not None or not isinstance(part.upper, ast.Constant):
        return None
    return part.upper.value if isinstance(part.upper.value, int) and part.upper.value > 0 else None


def written_numbers(node: ast.expr) -> tuple[int, ...] | int | None:
    """A number, or a tuple of them, that is written out."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if not isinstance(node, ast.Tuple):
        return None
    values = [one.value for one in node.elts if isinstance(one, ast.Constant) and type(one.value) is int]
    return tuple(values) if values and len(values) == len(node.elts) else None
