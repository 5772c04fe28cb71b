"""Putting meanings together: one of several, an element, many of them, what an object of vLLM's leads to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Kind, Meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.resolve.syntax import Binding

_PLACEHOLDER_NAMES = {"None", "object", "Any"}


def one_of(meanings: Sequence[Meaning | None], real: int) -> Meaning | None:
    """The first meaning of interest; only likely where others disagree."""
    found = [m for m in meanings if m is not None]
    if not found:
        return None
    of_interest = [m for m in found if _interest(m)] or found
    first = next((m for m in of_interest if m.kind in (Kind.NAME, Kind.INSTANCE)), of_interest[0])
    same = sum(1 for m in of_interest if (m.kind, m.name, m.node) == (first.kind, first.name, first.node))
    return first if same >= real else first.likely()


def real_values(nodes: Sequence[ast.expr]) -> int:
    """How many of the alternatives are more than a placeholder."""
    return sum(1 for node in nodes if not _is_placeholder_value(node))


def is_placeholder(binding: Binding) -> bool:
    """Whether a binding only holds a name's place: `x = None`, `x: T`."""
    if binding.kind == "unknown":
        return isinstance(binding.node, ast.AnnAssign)
    return isinstance(binding.node, ast.expr) and _is_placeholder_value(binding.node)


def _interest(meaning: Meaning) -> bool:
    return meaning.kind is not Kind.NAME or known.is_known(meaning.name)


def _is_placeholder_value(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None or node.value is False
    if isinstance(node, (ast.List, ast.Dict)):
        return not (node.elts if isinstance(node, ast.List) else node.keys)
    return isinstance(node, ast.Name) and node.id in _PLACEHOLDER_NAMES


def attribute_of_instance(base: Meaning, name: str) -> Meaning | None:
    """What an attribute of an object of vLLM's stands for."""
    qualified = f"{base.name}.{name}"
    member = known.MEMBERS.get(qualified)
    if member is not None:
        return Meaning(Kind(member[0]), member[1], base.certainty)
    is_attribute = name in known.INSIDES or (name.endswith("_config") and not name.startswith("get_"))
    if base.name in known.ENGINES and is_attribute:
        return None
    if base.name in known.ENGINES or (base.name == known.SAMPLING and qualified in known.RESULTS):
        return Meaning(Kind.METHOD, qualified, base.certainty)
    if base.name.startswith("vllm.") and base.name not in known.RECORDS:
        return Meaning(Kind.METHOD, qualified, base.certainty)  # a method, if it is called
    return None


def result_of(method: Meaning) -> Meaning | None:
    """What a method of an object of vLLM's returns."""
    found = known.RESULTS.get(method.name)
    return Meaning(Kind(found[0]), found[1], method.certainty) if found else None


def element_of(meaning: Meaning) -> Meaning:
    """One of many."""
    return Meaning(Kind.INSTANCE, meaning.name, meaning.certainty)


def many_of(meaning: Meaning | None) -> Meaning | None:
    """Many of what one stands for."""
    if meaning is None or meaning.kind not in (Kind.INSTANCE, Kind.MANY):
        return None
    return Meaning(Kind.MANY, meaning.name, meaning.certainty)
