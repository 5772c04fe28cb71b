"""`hasattr(engine, "engine_core")`: does the target's object have what is asked for?

Only yes is an answer. Where the target lacks it, the code behind the test still concerns whoever wrote it:
what it did is no longer done, and nobody is told.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve.meaning import Kind

if TYPE_CHECKING:
    from packaging.version import Version

    from vllm_migrate.resolve.names import Names

# LLMEngine.__init__ sets it only where the engine core runs in the same process.
_SOMETIMES = frozenset({"model_executor"})


def asks_for_attribute(test: ast.Call) -> tuple[ast.expr, str] | None:
    """The object and the attribute of a `hasattr` whose attribute is written out."""
    if not (isinstance(test.func, ast.Name) and test.func.id == "hasattr"):
        return None
    match test.args:
        case [owner, ast.Constant(value=str(name))]:
            return owner, name
    return None


def target_has(test: ast.Call, names: Names, target: Version) -> bool:
    """Whether a `hasattr` of one of vLLM's objects, classes or modules holds on the target for sure."""
    asked = asks_for_attribute(test)
    if asked is None or asked[1] in _SOMETIMES:
        return False
    owner = names.of(asked[0])
    if owner is None or owner.kind not in (Kind.NAME, Kind.INSTANCE) or owner.certainty is Certainty.GUESS:
        return False
    if not f"{owner.name}.".startswith("vllm."):
        return False
    # Imported here: hardly any file asks, and the table of names is large.
    from vllm_migrate.errors import FactsError  # noqa: PLC0415 - see above
    from vllm_migrate.facts.surface.store import load_surface  # noqa: PLC0415 - see above

    try:
        surface = load_surface("vllm", str(target))
    except FactsError:
        return False
    if surface.has_module(owner.name):
        return asked[1] in surface.names(owner.name)
    known = surface.members if owner.kind is Kind.INSTANCE else surface.defined
    return asked[1] in known(owner.name)
