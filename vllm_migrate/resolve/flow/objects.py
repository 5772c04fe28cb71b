"""Objects of the project's own classes: what their fields and attributes hold."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.flow.values import Definition, Expression, Place, Table, Unknown
from vllm_migrate.resolve.syntax import FUNCTIONS, last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Held, Value

_DEEPEST = 5


def class_attribute(follower: Follower, owner: Definition, name: str, depth: int = 0) -> tuple[Value, ...]:
    """What `self.name` can be: bound in a method, in the class body, or in a base class."""
    module, class_ = owner.module, owner.node
    assert isinstance(class_, ast.ClassDef)  # noqa: S101 (the callers have looked)
    bindings = module.syntax.attribute_bindings.get(class_, {}).get(name, [])
    values: list[Value] = []
    for binding in bindings:
        if binding.kind == "unknown" and isinstance(binding.node, ast.AnnAssign):
            continue  # `name: int` without a value only says that it will be there
        values += follower.bound(module, binding, name)
    if values or depth > _DEEPEST:
        return tuple(values)
    for base in _bases(follower, owner):
        values += class_attribute(follower, base, name, depth + 1)
    return tuple(values)


def instance(
    follower: Follower, owner: Definition, place: Place, call: tuple[Module, ast.Call] | None = None
) -> Table:
    """An object of a class: its fields as a call gives them, else their defaults."""
    fields = _fields(follower, owner, 0)
    entries: dict[str, tuple[Held, ...]] = {}
    class_ = owner.node
    for name, (module, field) in fields.items():
        default = _default(field)
        if default is not None:
            line = f"{class_.name}.{name} keeps its default ({module.path}:{field.lineno})"
            entries[name] = (Expression(module, default, (line,)),)
    if not fields:
        for name in _attributes(owner):
            entries[name] = class_attribute(follower, owner, name)
    open_ended = False
    if call is not None:
        module, node = call
        for name, value in zip(fields, node.args, strict=False):
            entries[name] = (Expression(module, value),)
        for keyword in node.keywords:
            if keyword.arg is not None and (keyword.arg in fields or not fields):
                entries[keyword.arg] = (Expression(module, keyword.value),)
            elif keyword.arg is None:
                for table in follower.values(module, keyword.value):
                    if isinstance(table, Table):
                        entries.update(table.entries)
                    else:
                        open_ended = True
    return Table(entries, place, open=open_ended)


def field_of(follower: Follower, owner: Definition, name: str) -> tuple[Value, ...]:
    """`Class.name`."""
    found = class_attribute(follower, owner, name)
    return found or (Unknown(f"{owner.node.name} has no {name}", owner.place, (name,)),)


def _attributes(owner: Definition) -> list[str]:
    """The attributes a class binds by itself."""
    assert isinstance(owner.node, ast.ClassDef)  # noqa: S101 (the callers have looked)
    names = owner.module.syntax.attribute_bindings.get(owner.node, {})
    return [name for name in names if not name.startswith("__")]


def _bases(follower: Follower, owner: Definition) -> list[Definition]:
    assert isinstance(owner.node, ast.ClassDef)  # noqa: S101 (the callers have looked)
    found = []
    for base in owner.node.bases:
        leads = follower.program.definition(owner.module, last_name(base))
        if leads is not None and isinstance(leads[1], ast.ClassDef):
            found.append(Definition(*leads))
    return found


def _fields(follower: Follower, owner: Definition, depth: int) -> dict[str, tuple[Module, ast.AnnAssign]]:
    """The declared fields with where they are declared, those of bases first."""
    class_ = owner.node
    if not isinstance(class_, ast.ClassDef) or depth > _DEEPEST:
        return {}
    fields: dict[str, tuple[Module, ast.AnnAssign]] = {}
    for base in _bases(follower, owner):
        fields |= _fields(follower, base, depth + 1)
    constructor = any(isinstance(n, FUNCTIONS) and n.name == "__init__" for n in class_.body)
    if constructor:
        return fields
    for node in class_.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            fields[node.target.id] = (owner.module, node)
    return fields


def _default(field: ast.AnnAssign) -> ast.expr | None:
    value = field.value
    if isinstance(value, ast.Call) and last_name(value.func) in ("field", "Field", "ib", "HfArg"):
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default" in given:
            return given["default"]
        factory = given.get("default_factory")
        if isinstance(factory, ast.Lambda):
            return factory.body
        if factory is not None:
            return ast.copy_location(ast.Call(func=factory, args=[], keywords=[]), factory)
        return value.args[0] if value.args else None
    return value
