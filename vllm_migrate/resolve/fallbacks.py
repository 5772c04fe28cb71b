"""A `try` that asks one of vLLM's classes for what the target's hasn't got: its handler is taken there.

    try:
        from vllm.worker.worker import Worker
        getattr(Worker, "_assert_memory_footprint_increased_during_profiling")
        profiling = patch("vllm.worker.worker.Worker._assert_memory_footprint_increased_during_profiling")
    except (ImportError, AttributeError):
        profiling = nullcontext()

Wherever the class is now, what the code does without the attribute is written down already.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

_CAUGHT = frozenset({"AttributeError", "Exception", "BaseException"})
_ASKS = 2  # getattr(owner, "name") raises, with a third argument it doesn't


def falls_back(syntax: Syntax, names: Names, node: ast.AST, target: Version) -> bool:
    """Whether a node stands in the body of such a `try`."""
    inner = node
    for above in syntax.ancestors(node):
        if isinstance(above, ast.Try) and inner in above.body and any(map(_catches, above.handlers)):
            return any(_lacks(names, owner, name, target) for owner, name in _asked(above.body))
        inner = above
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    kind = handler.type
    types = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    caught = kind is None or any(getattr(one, "id", "") in _CAUGHT for one in types)
    return caught and not any(isinstance(statement, ast.Raise) for statement in handler.body)


def _asked(body: list[ast.stmt]) -> Iterator[tuple[ast.expr, str]]:
    """What statements of the block itself ask for: `getattr(owner, "name")`, `owner.name`."""
    for statement in body:
        value = statement.value if isinstance(statement, (ast.Expr, ast.Assign)) else None
        if isinstance(value, ast.Attribute):
            yield value.value, value.attr
        elif isinstance(value, ast.Call) and getattr(value.func, "id", "") == "getattr":
            name = value.args[1] if len(value.args) == _ASKS else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield value.args[0], name.value


def _lacks(names: Names, owner: ast.expr, attribute: str, target: Version) -> bool:
    """Whether a class of vLLM's has no such attribute on the target, at its old place or a new one."""
    qualified = names.qualified(owner)
    if not qualified.startswith("vllm.") or not qualified.rpartition(".")[2][:1].isupper():
        return False
    # Imported here: hardly any file does so, and the table of names is large.
    from vllm_migrate.errors import FactsError  # noqa: PLC0415 - see above
    from vllm_migrate.facts.surface.store import load_surface  # noqa: PLC0415 - see above

    try:
        surface = load_surface("vllm", str(target))
    except FactsError:
        return False
    return not any(
        surface.has(f"{place}.{attribute}") for place in (qualified, *surface.where_now(qualified))
    )
