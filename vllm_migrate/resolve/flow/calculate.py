"""Expressions worth computing without running anything: literals, `a or b`, conditions, sums of numbers."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

from vllm_migrate.resolve.flow.tables import merged
from vllm_migrate.resolve.flow.values import Scalar, Table, Unknown, assuming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Value
    from vllm_migrate.resolve.syntax import Binding, Syntax

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def literal(node: ast.expr) -> tuple[object] | None:
    """The value of a literal, wrapped so that None is one; None where it is none."""
    try:
        return (ast.literal_eval(node),)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def values(follower: Follower, module: Module, node: ast.expr) -> tuple[Value, ...]:
    """What an expression without a name of its own can be."""
    whole = literal(node)
    if whole is not None:
        return (Scalar(whole[0], follower.place(module, node)),)
    if isinstance(node, ast.IfExp):
        return _either(follower, module, node)
    if isinstance(node, ast.BoolOp):
        return _first_that_counts(follower, module, node)
    if isinstance(node, ast.BinOp):
        return _operation(follower, module, node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        return tuple(
            Scalar(not v.value, v.place, v.assumed)
            if isinstance(node.op, ast.Not)
            else Scalar(-v.value, v.place, v.assumed)
            for v in follower.values(module, node.operand)
            if isinstance(v, Scalar) and isinstance(v.value, (bool, int, float))
        )
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _comparison(follower, module, node)
    return (follower.unknown(module, node, "is computed"),)


def _either(follower: Follower, module: Module, node: ast.IfExp) -> tuple[Value, ...]:
    tests = follower.values(module, node.test)
    branches: list[Value] = []
    sides = {bool(test.value) for test in tests if isinstance(test, Scalar)}
    if not all(isinstance(test, Scalar) for test in tests):
        sides = {True, False}
    said = tuple(line for test in tests if isinstance(test, Scalar) for line in test.assumed)
    for side in sorted(sides, reverse=True):
        found = follower.values(module, node.body if side else node.orelse)
        branches += [assuming(value, said) for value in found]
    return tuple(branches)


def _first_that_counts(follower: Follower, module: Module, node: ast.BoolOp) -> tuple[Value, ...]:
    """`a or b`, `a and b`: operands are passed over as running the code would."""
    wanted = isinstance(node.op, ast.Or)
    found: list[Value] = []
    said: tuple[str, ...] = ()
    for index, operand in enumerate(node.values):
        passed = True
        last = index == len(node.values) - 1
        for value in follower.values(module, operand):
            if isinstance(value, Scalar) and bool(value.value) is not wanted and not last:
                said += value.assumed
                continue
            found.append(assuming(value, said))
            passed = passed and not isinstance(value, Scalar | Table)
        if not passed:
            break
    return tuple(found)


def _operation(follower: Follower, module: Module, node: ast.BinOp) -> tuple[Value, ...]:
    left, right = follower.values(module, node.left), follower.values(module, node.right)
    if isinstance(node.op, ast.BitOr):
        tables = [value for value in (*left, *right) if isinstance(value, Table)]
        if tables:
            return (merged(tables, follower.place(module, node)),)
    compute = _ARITHMETIC.get(type(node.op))
    made: list[Value] = []
    for one in left:
        for other in right:
            if not isinstance(one, Scalar) or not isinstance(other, Scalar) or compute is None:
                made.append(next((v for v in (one, other) if isinstance(v, Unknown)),
                                 follower.unknown(module, node, "is computed")))  # fmt: skip
                continue
            if not _plain_sum(node.op, one.value, other.value):
                made.append(follower.unknown(module, node, "is computed"))
                continue
            try:
                value = compute(one.value, other.value)
            except (ArithmeticError, TypeError, ValueError):
                made.append(follower.unknown(module, node, "can't be computed"))
            else:
                made.append(Scalar(value, follower.place(module, node), (*one.assumed, *other.assumed)))
    return tuple(made)


def _plain_sum(op: ast.operator, one: object, other: object) -> bool:
    """Whether it is arithmetic of numbers, or two texts or lists in a row: nothing that could grow large."""
    numbers = all(isinstance(value, (int, float)) for value in (one, other))
    texts = all(isinstance(value, str) for value in (one, other))
    return numbers or (isinstance(op, ast.Add) and texts)


def _comparison(follower: Follower, module: Module, node: ast.Compare) -> tuple[Value, ...]:
    compute = _COMPARISONS.get(type(node.ops[0]))
    left, right = follower.values(module, node.left), follower.values(module, node.comparators[0])
    made: list[Value] = []
    for one in left:
        for other in right:
            if compute is None or not isinstance(one, Scalar) or not isinstance(other, Scalar):
                return (follower.unknown(module, node, "is computed"),)
            try:
                value = bool(compute(one.value, other.value))
            except TypeError:
                return (follower.unknown(module, node, "can't be computed"),)
            made.append(Scalar(value, one.place, (*one.assumed, *other.assumed)))
    return tuple(made)


# Which bindings of a name count where it is read


def in_force(syntax: Syntax, scope: ast.AST, bindings: Sequence[Binding], use: ast.AST) -> list[Binding]:
    """The bindings that can hold where a name is read in the scope that binds it.

    One that every way to the use passes replaces all before it; one behind the use doesn't count, unless a
    loop or another function brings it back.
    """
    if syntax.scope(use) is not scope or len(bindings) < 2:  # noqa: PLR2004 (one binding is in force)
        return list(bindings)
    around = {use, *syntax.ancestors(use)}
    looped = any(isinstance(node, (ast.For, ast.While, ast.AsyncFor)) for node in around)
    line = int(getattr(use, "lineno", 0))
    before = [b for b in bindings if b.kind == "parameter" or _line(b) < line or looped]
    sure = [
        b
        for b in before
        if b.kind != "parameter" and _line(b) < line and syntax.parents.get(b.statement) in around
    ]
    if sure:
        last = max(sure, key=_line)
        before = [b for b in before if b is last or (b.kind != "parameter" and _line(b) > _line(last))]
    return before or list(bindings)


def _line(binding: Binding) -> int:
    """Where a binding takes effect: behind its statement, or at the head of a block."""
    statement = binding.statement
    if hasattr(statement, "body"):
        return int(getattr(statement, "lineno", 0))
    return int(getattr(statement, "end_lineno", 0) or 0)
