"""Engines that one module of a project hands to a function or class of another.

`FSDPVLLMShardingManager(actor, rollout.inference_engine)` in a main script is all that says what a parameter
without an annotation holds in the module of that class.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Kind, Meaning

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from vllm_migrate.resolve.names import Names

_HANDED = frozenset({Kind.INSTANCE, Kind.ACTOR})


class Handed(NamedTuple):
    """An engine that a call hands over.

    Attributes:
        module, name: what is called, as the caller imports it: "workers.sharding", "ShardingManager".
        place: the argument's index, or its keyword.
    """

    module: str
    name: str
    place: int | str
    engine: Meaning


def handed_over(names: Names, modules: Container[str]) -> Iterator[Handed]:
    """What a file hands to functions and classes that it imports from the project's own modules.

    Args:
        names: what the file's names mean.
        modules: the dotted names of the project's modules.
    """
    syntax = names.syntax
    imported = {
        alias.asname or alias.name: (module, alias.name)
        for node in syntax.all(ast.ImportFrom)
        if (module := names.module_of(node)) in modules and not known.is_known(module)
        for alias in node.names
    }
    if not imported:
        return
    for call in syntax.all(ast.Call):
        callee = imported.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if callee is None:
            continue
        for place, value in enumerate(call.args):
            if isinstance(value, ast.Starred):
                break
            if (engine := _engine(names, value)) is not None:
                yield Handed(*callee, place, engine)
        for keyword in call.keywords:
            if keyword.arg is not None and (engine := _engine(names, keyword.value)) is not None:
                yield Handed(*callee, keyword.arg, engine)


def defined_in(names: Names, name: str) -> bool:
    """Whether a module defines a class or function of that name itself."""
    bindings = names.syntax.bindings.get(names.syntax.module, {}).get(name, ())
    return any(binding.kind in ("class", "function") for binding in bindings)


def reexported_from(names: Names, name: str) -> tuple[str, str] | None:
    """The module that a module takes a name from, and what it is called there."""
    for node in names.syntax.all(ast.ImportFrom):
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return names.module_of(node), alias.name
    return None


def _engine(names: Names, node: ast.expr) -> Meaning | None:
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Call)):
        return None
    found = names.of(node)
    if found is None or found.kind not in _HANDED or found.name not in known.ENGINES:
        return None
    return Meaning(found.kind, found.name).likely()
