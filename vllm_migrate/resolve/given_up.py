"""What follows on an import that fails on the target, in a `try` that passes over the failure in silence.

    try:
        from vllm.model_executor.guided_decoding import get_guided_decoding_logits_processor
        config = await engine.get_decoding_config()
        ...
    except ImportError:
        pass

Only an import that nothing takes the place of is meant: one that has moved is mended, and what follows runs.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from vllm_migrate.resolve.syntax import Syntax

_OF_IMPORTS = frozenset({"ImportError", "ModuleNotFoundError"})


def behind_failing_imports(syntax: Syntax, target: Version) -> Iterator[list[ast.stmt]]:
    """The statements that the target never comes to, in functions.

    At the head of a module such a `try` asks whether vLLM is there at all, and all that uses it follows.
    """
    for node in syntax.all(ast.Try):
        if not any(map(_passes_over, node.handlers)) or syntax.parents[node] is syntax.module:
            continue
        for at, statement in enumerate(node.body[:-1]):
            if isinstance(statement, ast.ImportFrom) and _is_gone(statement, target):
                yield node.body[at + 1 :]
                break


def _passes_over(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes a failing import, and does nothing about it."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(isinstance(statement, ast.Pass) for statement in handler.body) and any(
        one is not None and last_name(one) in _OF_IMPORTS for one in types
    )


def _is_gone(statement: ast.ImportFrom, target: Version) -> bool:
    """Whether an import from vLLM takes a name that the target has nowhere."""
    module = statement.module or ""
    if statement.level or not module.startswith("vllm."):
        return False
    # Imported here: hardly any file does so, and the table of names is large.
    from vllm_migrate.errors import FactsError  # noqa: PLC0415 - see above
    from vllm_migrate.facts.surface.store import load_surface  # noqa: PLC0415 - see above

    try:
        surface = load_surface("vllm", str(target))
    except FactsError:
        return False
    return any(
        not surface.has_name(module, alias.name) and not surface.where_now(f"{module}.{alias.name}")
        for alias in statement.names
    )
