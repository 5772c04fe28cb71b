"""`"tags" in inspect.signature(llm.wake_up).parameters`: does the target's method take what is asked for?

Only yes is an answer, as in `asked_attributes`: where the target has no such parameter, the code behind the
test still concerns whoever wrote it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from packaging.version import Version

    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

_DEPTH = 4  # names that stand for one another: `signature`, its `parameters`


def target_takes(asked: ast.expr, listed: ast.expr, syntax: Syntax, names: Names, target: Version) -> bool:
    """Whether `asked in listed` holds on the target: one of vLLM's functions takes that parameter there."""
    if not (isinstance(asked, ast.Constant) and isinstance(asked.value, str)):
        return False
    function = _signed(listed, syntax)
    meaning = names.of(function) if function is not None else None
    if meaning is None or meaning.certainty is Certainty.GUESS:
        return False
    if meaning.kind not in (Kind.METHOD, Kind.NAME) or not meaning.name.startswith("vllm."):
        return False
    # Imported here: hardly any file asks, and the table of names is large.
    from vllm_migrate.errors import FactsError  # noqa: PLC0415 - see above
    from vllm_migrate.facts.surface.store import load_surface  # noqa: PLC0415 - see above

    try:
        surface = load_surface("vllm", str(target))
    except FactsError:
        return False
    return surface.takes(meaning.name, asked.value, listed=True)


def _signed(node: ast.expr, syntax: Syntax, depth: int = 0) -> ast.expr | None:
    """The function whose parameters an expression holds: `signature(f).parameters`, also by way of names."""
    if depth > _DEPTH:
        return None
    if isinstance(node, ast.Name):
        found = syntax.lookup(node.id, node)
        bound = found[1] if found is not None else []
        value = bound[0].node if len(bound) == 1 and bound[0].kind == "value" and not bound[0].path else None
        return _signed(value, syntax, depth + 1) if isinstance(value, ast.expr) else None
    if isinstance(node, ast.Attribute) and node.attr in ("parameters", "args", "kwonlyargs"):
        return _signed(node.value, syntax, depth + 1)
    if isinstance(node, ast.Call):
        called = last_name(node.func)
        if called in ("signature", "getfullargspec") and len(node.args) == 1:
            return node.args[0]
        if called == "keys" and isinstance(node.func, ast.Attribute):
            return _signed(node.func.value, syntax, depth + 1)
        if called in ("list", "set", "tuple") and len(node.args) == 1:
            return _signed(node.args[0], syntax, depth + 1)
    return None
