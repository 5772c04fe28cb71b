"""Mappings: literal dictionaries, what is added to them later, and several of them on top of each other."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.resolve.flow.values import Expression, Place, Scalar, Table, Unknown, assuming

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.files.yaml_tree import YamlNode
    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Held, Value


def dictionary(follower: Follower, module: Module, node: ast.Dict) -> Table:
    """A dictionary as it is written."""
    place = follower.place(module, node)
    tables: list[Table] = []
    entries: dict[str, tuple[Held, ...]] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            tables.append(Table(entries, place))
            entries = {}
            tables += spread(follower, module, value)
        elif isinstance(key, ast.Constant):
            entries[str(key.value)] = (Expression(module, value),)
        else:
            tables.append(Table({}, place, open=True))
    tables.append(Table(entries, place))
    return merged(tables, place) if len(tables) > 1 else tables[0]


def spread(follower: Follower, module: Module, node: ast.expr) -> list[Table]:
    """What `**node` brings; something that can't be followed brings an open table."""
    place = follower.place(module, node)
    found = follower.values(module, node)
    return [value if isinstance(value, Table) else Table({}, place, open=True) for value in found]


def merged(tables: Sequence[Table], place: Place) -> Table:
    """One table from several, later ones on top."""
    entries: dict[str, tuple[Held, ...]] = {}
    for table in tables:
        entries.update(table.entries)
    sources = [table for table in tables if table.yaml is not None]
    return Table(
        entries,
        sources[-1].place if sources else place,
        open=any(table.open for table in tables),
        assumed=tuple(dict.fromkeys(line for table in tables for line in table.assumed)),
        yaml=sources[-1].yaml if sources else None,
    )


def item(follower: Follower, table: Table, name: str) -> tuple[Value, ...]:
    """The entry of that name."""
    held = table.entries.get(name)
    if held is None:
        why = "is not shown" if table.open else f"has no {name}"
        return (Unknown(f"what {table.place} makes {why}", table.place, (name,)),)
    return tuple(assuming(value, table.assumed) for value in follower.held(held))


def changed(follower: Follower, module: Module, name: ast.Name, table: Table) -> Table:
    """A table with what is added to it under its name, in the function that binds it."""
    syntax = module.syntax
    bound = syntax.lookup(name.id, name)
    scope = bound[0] if bound else None

    def is_it(node: ast.AST) -> bool:
        if not (isinstance(node, ast.Name) and node.id == name.id and node is not name):
            return False
        found = syntax.lookup(node.id, node)
        return found is not None and found[0] is scope

    added: list[Table] = []
    for assign in syntax.all(ast.Assign):
        added += [
            _entry(follower, module, target.slice, assign.value)
            for target in assign.targets
            if isinstance(target, ast.Subscript) and is_it(target.value)
        ]
    for augmented in syntax.all(ast.AugAssign):
        if isinstance(augmented.op, ast.BitOr) and is_it(augmented.target):
            added += spread(follower, module, augmented.value)
    for call in syntax.all(ast.Call):
        func = call.func
        if not (isinstance(func, ast.Attribute) and is_it(func.value)):
            continue
        if func.attr == "update":
            for one in call.args:
                added += spread(follower, module, one)
            for keyword in call.keywords:
                if keyword.arg is not None:
                    entries: dict[str, tuple[Held, ...]] = {keyword.arg: (Expression(module, keyword.value),)}
                    added.append(Table(entries, follower.place(module, call)))
        elif func.attr == "setdefault" and len(call.args) == 2:  # noqa: PLR2004 (key and value)
            default = _entry(follower, module, call.args[0], call.args[1])
            if not set(default.entries) <= set(table.entries):
                added.append(default)
    return merged([table, *added], table.place) if added else table


def _entry(follower: Follower, module: Module, key: ast.expr, value: ast.expr) -> Table:
    """One entry that is set by its key; `kw[k] = config.get(k)` may set any that `config` has."""
    place = follower.place(module, value)
    if isinstance(key, ast.Constant):
        return Table({str(key.value): (Expression(module, value),)}, place)
    source: ast.expr | None = None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "get":
        source = value.func.value if value.args and ast.dump(value.args[0]) == ast.dump(key) else None
    elif isinstance(value, ast.Subscript) and ast.dump(value.slice) == ast.dump(key):
        source = value.value
    found = [v for v in follower.values(module, source) if isinstance(v, Table)] if source is not None else []
    return merged(found, place) if found else Table({}, place, open=True)


def from_yaml(path: PurePosixPath, node: YamlNode, assumed: Iterable[str] = ()) -> Value:
    """A node of a YAML file as a value."""
    place = Place(path, node.line)
    said = tuple(assumed)
    if node.keys:
        entries: dict[str, tuple[Held, ...]] = {
            key: (from_yaml(path, below),) for key, below in node.keys.items()
        }
        return Table(entries, place, assumed=said, yaml=node)
    value = node.plain()
    if value is UNRESOLVED:
        return Unknown(f"{node.text.strip() or 'it'} is not a plain value", place)
    return Scalar(value, place, said)
