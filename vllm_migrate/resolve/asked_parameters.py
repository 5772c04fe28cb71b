"""`"tags" in inspect.signature(llm.wake_up).parameters`: does the target's method take what is asked for?

Yes is an answer always. No is one where a class's constructor is asked: what is given to either release's
is written down there. Of an engine's arguments, of sampling parameters and of methods it is none, as in
`asked_attributes`: what the code behind the test asked for is no longer done, and whoever wrote it is to be
told.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.resolve.vocabulary import ENGINE_ARGUMENTS, SAMPLING, canonical

if TYPE_CHECKING:
    from packaging.version import Version

    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

_CONSTRUCTOR = ".__init__"
_REQUESTS = ENGINE_ARGUMENTS | {SAMPLING}
_DEPTH = 4  # names that stand for one another: `signature`, its `parameters`


def target_takes(
    asked: ast.expr, listed: ast.expr, syntax: Syntax, names: Names, target: Version
) -> bool | None:
    """Whether `asked in listed` holds on the target: one of vLLM's functions takes that parameter there.

    None where that is open.
    """
    if not (isinstance(asked, ast.Constant) and isinstance(asked.value, str)):
        return None
    function = _signed(listed, syntax)
    meaning = names.of(function) if function is not None else None
    if meaning is None or meaning.certainty is Certainty.GUESS:
        return None
    if meaning.kind not in (Kind.METHOD, Kind.NAME) or not meaning.name.startswith("vllm."):
        return None
    # Imported here: hardly any file asks, and the table of names is large.
    from vllm_migrate.errors import FactsError  # noqa: PLC0415 - see above
    from vllm_migrate.facts.surface.store import load_surface  # noqa: PLC0415 - see above

    try:
        surface = load_surface("vllm", str(target))
    except FactsError:
        return None
    class_ = meaning.name.removesuffix(_CONSTRUCTOR)
    if class_ == meaning.name or canonical(class_) in _REQUESTS:
        return surface.takes(class_, asked.value, listed=True) or None
    place = class_ if surface.has(class_) else next(iter(surface.where_now(class_)), "")
    taken = surface.parameters(place) if place else None
    if taken is None:
        return None
    return asked.value in taken or (None if any(name.startswith("**") for name in taken) else False)


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
