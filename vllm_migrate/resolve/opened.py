"""What a `with` statement holds open around a call that reads from it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.resolve.syntax import Syntax


def opened_around(syntax: Syntax, call: ast.Call) -> str:
    """The name of what is open around a call and reaches its arguments, else "".

    `with safe_open(path) as f:` opens `f`; the arguments read from it where they name it, or name what the
    block makes of it: a function, or a variable. A function that is sent to another process takes what it
    names along, and what is open can't be pickled.
    """
    for above in syntax.ancestors(call):
        if isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return ""
        if not isinstance(above, (ast.With, ast.AsyncWith)):
            continue
        opened = [
            item.optional_vars.id
            for item in above.items
            if isinstance(item.optional_vars, ast.Name) and isinstance(item.context_expr, ast.Call)
        ]
        reached = _names(call.args) | _names([keyword.value for keyword in call.keywords])
        for statement in above.body if opened else ():
            if _makes(statement) & reached:
                reached |= _names([statement])
        found = next((name for name in opened if name in reached), "")
        if found:
            return found
    return ""


def _names(nodes: list[ast.expr] | list[ast.stmt]) -> set[str]:
    return {
        inner.id
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }


def _makes(statement: ast.stmt) -> set[str]:
    """The names that a statement of a block gives a function or a value to."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()
