"""What a module hands on to those that import it, as far as it leads to vLLM or TRL."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Kind, Meaning, UserClass, UserFunction
from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from vllm_migrate.resolve.names import Names

STAR = "*"
Exports = dict[str, Meaning]


def exports_of(names: Names) -> Exports:
    """The module-level names that lead to vLLM or TRL, without ties to this module's tree."""
    found: Exports = {}
    syntax = names.syntax
    for name, bindings in syntax.bindings.get(syntax.module, {}).items():
        if name == STAR:
            continue
        meaning = names.bound(bindings)
        kept = _portable(names, meaning) if meaning is not None else None
        if kept is not None:
            found[name] = kept
    for node in syntax.module.body:
        _add_star(names, node, found)
    return found


def _add_star(names: Names, node: ast.stmt, found: Exports) -> None:
    """`from .compat import *` hands on what that module exports."""
    if not (isinstance(node, ast.ImportFrom) and any(a.name == STAR for a in node.names)):
        return
    module = names.module_of(node)
    if known.is_known(module):
        found.setdefault(STAR, Meaning(Kind.NAME, module, Certainty.LIKELY))
    for name, meaning in names.star_exports(module).items():
        if not name.startswith("_"):
            found.setdefault(name, meaning)


def _portable(names: Names, meaning: Meaning) -> Meaning | None:
    if meaning.kind is Kind.NAME:
        return meaning if known.is_known(meaning.name) else None
    if meaning.kind in (Kind.CLASS, Kind.REMOTE_CLASS) and isinstance(meaning.node, ast.ClassDef):
        user = _portable_class(names, meaning)
        return (
            Meaning(meaning.kind, meaning.name, meaning.certainty, user=user) if user.concerns_vllm else None
        )
    if meaning.kind is Kind.FUNCTION and isinstance(meaning.node, FUNCTIONS):
        function = _portable_function(names.user.function(meaning))
        useful = function.forward is not None or function.returns is not None
        return Meaning(Kind.FUNCTION, certainty=meaning.certainty, user=function) if useful else None
    if meaning.kind in (Kind.OBJECT, Kind.SUPER):
        return None
    return meaning


def _portable_class(names: Names, meaning: Meaning) -> UserClass:
    assert isinstance(meaning.node, ast.ClassDef)  # noqa: S101 (the caller has looked)
    base = names.user.vllm_base(meaning)
    attributes: dict[str, Meaning] = {}
    methods: dict[str, UserFunction] = {}
    for parent in meaning.node.bases:
        inherited = names.of(parent)
        if inherited is not None and isinstance(inherited.user, UserClass):
            attributes.update(inherited.user.attributes or {})
            methods.update(inherited.user.methods or {})
    instance = Meaning(Kind.OBJECT, node=meaning.node)
    for name, bindings in names.syntax.attribute_bindings.get(meaning.node, {}).items():
        found = names.attribute(instance, name)
        if found is None:
            continue
        if found.kind is Kind.FUNCTION:
            methods[name] = _portable_function(names.user.function(found))
        elif bindings and found.node is None and (found.kind is not Kind.NAME or known.is_known(found.name)):
            attributes[name] = found.likely()
    return UserClass(
        base.name if base is not None else "", attributes, methods, meaning.kind is Kind.REMOTE_CLASS
    )


def _portable_function(function: UserFunction) -> UserFunction:
    returns = function.returns
    if returns is not None and (
        returns.node is not None or (returns.kind is Kind.NAME and not known.is_known(returns.name))
    ):
        returns = None
    return UserFunction(returns, function.forward)
