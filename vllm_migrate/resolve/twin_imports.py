"""A module that is imported by its name in a `try`, with another one for the case that it isn't there.

    try:
        state = import_module("vllm.distributed.parallel_state")
    except ModuleNotFoundError:
        state = import_module("vllm.model_executor.parallel_utils.parallel_state")

Where the target has one of the two, nothing is lost with the other.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.version import Version

    from vllm_migrate.resolve.syntax import Syntax

_OF_IMPORTS = frozenset({"ImportError", "ModuleNotFoundError"})
_BROAD = _OF_IMPORTS | {"Exception", "BaseException"}


def has_working_twin(syntax: Syntax, node: ast.AST, target: Version) -> bool:
    """Whether a node stands on one side of such a `try`, and the target has all that the other side imports.

    The handler is passed by only if it is for failing imports and nothing else.
    """
    inner = node
    for above in syntax.ancestors(node):
        if isinstance(above, ast.Try):
            if isinstance(inner, ast.ExceptHandler):
                return _caught(inner) <= _OF_IMPORTS and _works(above.body, target)
            if inner in above.body:
                handler = next((h for h in above.handlers if _caught(h) & _BROAD), None)
                return handler is not None and _works(handler.body, target)
        inner = above
    return False


def _caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"BaseException"}
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {last_name(one) for one in types}


def _works(statements: Iterable[ast.stmt], target: Version) -> bool:
    """Whether statements import something of vLLM's, and nothing of it that the target lacks."""
    imported = [name for statement in statements for name in _imported(statement)]
    if not imported:
        return False
    # Imported here: hardly any file does so, and the table of names is large.
    from vllm_migrate.errors import FactsError  # noqa: PLC0415 - see above
    from vllm_migrate.facts.surface.store import load_surface  # noqa: PLC0415 - see above

    try:
        surface = load_surface("vllm", str(target))
    except FactsError:
        return False
    return all(surface.has(name) for name in imported)


def _imported(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and last_name(node.func) == "import_module" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names = [first.value]
        yield from (name for name in names if name.startswith("vllm."))
