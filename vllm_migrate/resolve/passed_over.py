"""A statement that gives something up, in a `try` that goes on where it fails: nothing is lost with it.

    try:
        del llm.llm_engine.model_executor.driver_worker
    except Exception as error:
        print(error)

Weights that don't arrive because such a `try` passes over them are another matter, and so is what stands
in it behind the failure.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.syntax import Syntax

_CAUGHT = frozenset({"AttributeError", "Exception", "BaseException"})
_LEAVES = frozenset({"exit", "_exit", "abort"})
_GIVES_UP = frozenset({"shutdown", "close", "cleanup", "clean_up", "release", "destroy", "stop", "terminate"})


def is_passed_over(syntax: Syntax, statement: ast.stmt) -> bool:
    """Whether a statement only gives something up, last in a `try` that outlives its AttributeError."""
    above = syntax.parents.get(statement)
    if (
        not isinstance(above, ast.Try | ast.With)
        or above.body[-1] is not statement
        or not _gives_up(statement)
    ):
        return False
    if isinstance(above, ast.With):
        return any(_suppresses(item.context_expr) for item in above.items)
    return not above.orelse and _goes_on(above)


def _gives_up(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Delete):
        return len(statement.targets) == 1
    if isinstance(statement, ast.Assign):
        return isinstance(statement.value, ast.Constant) and statement.value.value is None
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and last_name(call.func) in _GIVES_UP


def _suppresses(manager: ast.expr) -> bool:
    """Whether a context manager is `contextlib.suppress(AttributeError)` or of more."""
    return (
        isinstance(manager, ast.Call)
        and last_name(manager.func) == "suppress"
        and any(last_name(one) in _CAUGHT for one in manager.args)
    )


def _goes_on(block: ast.Try) -> bool:
    """Whether the first handler that catches the failure neither raises nor ends the program."""
    for handler in block.handlers:
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any(one is None or last_name(one) in _CAUGHT for one in types):
            return not any(
                isinstance(node, ast.Raise)
                or (isinstance(node, ast.Call) and last_name(node.func) in _LEAVES)
                for node in ast.walk(handler)
            )
    return False
