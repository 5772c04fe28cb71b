"""Who takes an engine's outputs while they grow, and who waits for the last of a request."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from vllm_migrate.resolve.syntax import Syntax

_STEP, _GENERATE = "vllm.LLMEngine.step", "vllm.AsyncLLMEngine.generate"
_FINISHED = frozenset({"finished", "finish_reason"})
_GIVES = ("send", "put", "write", "push", "publish", "emit", "stream")
"""Beginnings of the names of methods that give an output on."""


def waits_for_finished(syntax: Syntax, called: Collection[str]) -> bool:
    """Whether an engine is driven here by someone who only takes what is finished."""
    if _STEP in called:
        return any(a.attr == "finished" for a in syntax.all(ast.Attribute))
    if _GENERATE not in called:
        return False
    return any(map(_keeps_the_last, syntax.all(ast.AsyncFor)))


def streams(syntax: Syntax, called: Collection[str]) -> bool:
    """Whether an engine's outputs are given on here before they are finished.

    A function that yields them as they come, and whose every caller in the file keeps the last of them, is
    taken for part of its callers.
    """
    loops: list[ast.AsyncFor | ast.For] = [*syntax.all(ast.AsyncFor)] if _GENERATE in called else []
    if _STEP in called:
        loops += syntax.all(ast.For)
    if not loops:
        return False
    sources = _sources(syntax)
    return any(
        _is_of_engine(loop.iter, syntax, sources)
        and not _keeps_the_last(loop)
        and _gives_partial(loop.body)
        and not _is_drained(loop, syntax)
        for loop in loops
    )


def _keeps_the_last(loop: ast.AsyncFor | ast.For) -> bool:
    """Whether a loop does nothing with what it gets but keep it, whatever else it looks at meanwhile.

    `async for output in stream: pass` keeps it in the loop's own name.
    """
    if len(loop.body) == 1 and isinstance(loop.body[0], ast.Pass):
        return isinstance(loop.target, ast.Name)
    keeps = [one for one in loop.body if isinstance(one, ast.Assign) and _is_same(one.value, loop.target)]
    uses = [
        node
        for statement in loop.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and _is_same(node, loop.target)
    ]
    return len(keeps) == len(uses) == 1


def _is_same(one: ast.expr | None, other: ast.expr) -> bool:
    return isinstance(one, ast.Name) and isinstance(other, ast.Name) and one.id == other.id


def _sources(syntax: Syntax) -> set[str]:
    """What gives an engine's outputs: `generate`, `step`, and the functions here that call one of these."""
    sources = {"generate", "step"}
    called = {
        function.name: {last_name(c.func) for c in ast.walk(function) if isinstance(c, ast.Call)}
        for function in syntax.functions()
    }
    while further := {name for name, inner in called.items() if inner & sources} - sources:
        sources |= further
    return sources


def _is_of_engine(iterated: ast.expr, syntax: Syntax, sources: Collection[str]) -> bool:
    """Whether a loop runs over an engine's outputs: over a call that gives them, or a name that holds one.

    A name that nothing in the file gives a value, such as a parameter, may well hold them where the loop is
    an asynchronous one.
    """
    if not isinstance(iterated, ast.Name):
        return _calls_one(iterated, sources)
    values = [
        one.value
        for one in syntax.all(ast.Assign)
        if any(_is_same(iterated, target) for target in one.targets)
    ]
    if values:
        return any(_calls_one(value, sources) for value in values)
    return isinstance(syntax.parents[iterated], ast.AsyncFor)


def _calls_one(expression: ast.expr, sources: Collection[str]) -> bool:
    return any(isinstance(c, ast.Call) and last_name(c.func) in sources for c in ast.walk(expression))


def _gives_partial(statements: Sequence[ast.stmt]) -> bool:
    """Whether something is given on in a loop otherwise than under a test for what is finished."""
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(statement, ast.If) and _asks_for_finished(statement.test):
            unfinished = statement.body if _is_denied(statement.test) else statement.orelse
            if _gives_partial(unfinished):
                return True
            if unfinished and isinstance(unfinished[-1], ast.Continue):
                return False
            continue
        inner = [one for one in ast.iter_child_nodes(statement) if isinstance(one, ast.stmt)]
        inner += [s for h in getattr(statement, "handlers", ()) for s in h.body]
        if _gives_partial(inner) or any(map(_gives, _own_expressions(statement))):
            return True
    return False


def _asks_for_finished(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in _FINISHED for node in ast.walk(test))


def _is_denied(test: ast.expr) -> bool:
    """Whether a test is true of what is not finished: `not output.finished`, `finish_reason is None`."""
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], (ast.Is, ast.Eq))
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement that belong to no statement within it."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.expr):
            yield from ast.walk(child)


def _gives(node: ast.AST) -> bool:
    if isinstance(node, (ast.Yield, ast.YieldFrom)):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith(_GIVES)
    )


def _is_drained(loop: ast.AsyncFor | ast.For, syntax: Syntax) -> bool:
    """Whether a loop yields what it gets as it is, to none but loops of this file that keep the last."""
    only = loop.body[0]
    if len(loop.body) != 1 or not isinstance(only, ast.Expr) or not isinstance(only.value, ast.Yield):
        return False
    function = syntax.function(loop)
    if function is None or not _is_same(only.value.value, loop.target):
        return False
    uses = [
        node
        for node in (*syntax.all(ast.Name), *syntax.all(ast.Attribute))
        if last_name(node) == function.name
    ]
    keepers = [
        other
        for other in syntax.all(ast.AsyncFor)
        if isinstance(other.iter, ast.Call)
        and last_name(other.iter.func) == function.name
        and _keeps_the_last(other)
    ]
    return 0 < len(keepers) == len(uses)
