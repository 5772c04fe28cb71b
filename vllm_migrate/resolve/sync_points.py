"""The statement behind which a weight update is done, given one call of it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import COMPREHENSIONS, FUNCTIONS, last_name
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.syntax import Syntax

# Calls that make a loop more than one over tensors: whatever comes after the loop comes too late for them.
_USES_THE_ENGINE = re.compile(
    r"generat|rollout|sampl|evaluat|train|backward|^step$|^chat$|^encode$|^score$|^learn$|^collect$|^act$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an update is done.

    Attributes:
        point: the statement after which it is; None where the code doesn't show it.
        unclear: why it doesn't: "returned", "expression", "one-tensor".
        headers: `for` and `if` headers, outermost first, under which what is done after `point` stands.
        loops: how many loops over tensors lie between the call and `point`.
    """

    point: ast.stmt | None
    unclear: str = ""
    headers: tuple[str, ...] = ()
    loops: int = 0


def place_of(syntax: Syntax, text: SourceText, call: ast.Call, engine: str) -> Place:
    """Climb from a call out of the loops over tensors around it.

    Args:
        syntax: of the file.
        text: its source.
        call: what sends weights.
        engine: the expression that holds the engine, as text.
    """
    statement = syntax.statement(call)
    if isinstance(statement, ast.Return):
        return Place(None, "returned")
    headers: list[str] = []
    for above in syntax.ancestors(call):
        if above is statement:
            break
        if isinstance(above, ast.Lambda):
            return Place(None, "expression")
        if isinstance(above, COMPREHENSIONS):
            for clause in above.generators:
                if clause.ifs or clause.is_async:
                    return Place(None, "expression")
                if _names_in(engine) & _bound(clause.target):
                    headers.append(_loop_header(text, clause.target, clause.iter))
    if not isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return Place(None, "expression")
    return _climb(syntax, text, call, engine, Place(statement, headers=tuple(headers)))


def calls_in(syntax: Syntax, scope: ast.AST) -> Iterator[ast.Call]:
    """All calls in a function or module, also in what is nested in it."""
    if scope is syntax.module:
        yield from syntax.all(ast.Call)
        return
    for node in ast.walk(scope):
        if isinstance(node, ast.Call):
            yield node


def _climb(syntax: Syntax, text: SourceText, call: ast.Call, engine: str, start: Place) -> Place:
    point, headers, loops = start.point, start.headers, 0
    # Headers since `point`, inner ones first: with the names in them, and whether they bind the engine.
    pending: list[tuple[str, set[str], bool]] = []
    assert point is not None  # noqa: S101 (the caller has one)
    inner: ast.AST = point
    for above in syntax.ancestors(point):
        if isinstance(above, (*FUNCTIONS, ast.ClassDef, ast.Module, ast.While, ast.AsyncFor)):
            break
        if isinstance(above, ast.For):
            bound = _bound(above.target)
            if bound & _names_in(engine):
                pending.append((_loop_header(text, above.target, above.iter), _names(above.iter), True))
            elif _is_over_tensors(above, call, engine):
                made = _bound_in(above)
                if any(binds and used & made for _, used, binds in pending):
                    break
                kept = [header for header, used, _ in reversed(pending) if not used & made]
                point, headers, loops = above, (*kept, *headers), loops + 1
                pending = []
            else:
                break
        elif isinstance(above, ast.If):
            test = text.written(text.span(above.test))
            taken = inner in above.body
            header = f"if {_flat(test)}:" if taken else f"if not ({_flat(test)}):"
            pending.append((header, _names(above.test), False))
        inner = above
    return Place(point, headers=headers, loops=loops)


def _is_over_tensors(loop: ast.For, call: ast.Call, engine: str) -> bool:
    """Whether what the loop goes over flows into the call, and the loop does nothing else with the engine."""
    flows = _bound(loop.target)
    for node in ast.walk(loop):
        values: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            values = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.For) and node is not loop:
            values = [(node.target, node.iter)]
        for target, value in values:
            if _names(value) & flows:
                flows |= _bound(target)
    sent = {
        n.id
        for a in (*call.args, *(k.value for k in call.keywords))
        for n in ast.walk(a)
        if isinstance(n, ast.Name)
    }
    if not sent & flows:
        return False
    inside = set(ast.walk(call))
    for node in ast.walk(loop):
        if node in inside:
            continue
        if isinstance(node, ast.Call):
            func = node.func
            name = last_name(func)
            if _USES_THE_ENGINE.search(name):
                return False
            if any(isinstance(a, (ast.Name, ast.Attribute)) and ast.unparse(a) == engine for a in node.args):
                return False
    return True


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _bound(target: ast.expr) -> set[str]:
    """The names that an assignment target binds."""
    return _names(target) if isinstance(target, (ast.Name, ast.Tuple, ast.List, ast.Starred)) else set()


def _bound_in(loop: ast.For) -> set[str]:
    """Every name that is bound inside a loop, so that it may mean something else after it."""
    return {n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _names_in(expression: str) -> set[str]:
    return {expression.partition(".")[0].partition("[")[0]} | set(re.findall(r"\[(\w+)\]", expression))


def _loop_header(text: SourceText, target: ast.expr, iterable: ast.expr) -> str:
    return f"for {_flat(text.written(text.span(target)))} in {_flat(text.written(text.span(iterable)))}:"


def _flat(source: str) -> str:
    return " ".join(source.split())
