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
    if module not in follower.changes:
        follower.changes[module] = _changes(module)
    nodes = follower.changes[module].get(name.id)
    if not nodes:
        return table
    bound = module.syntax.lookup(name.id, name)
    added: list[Table] = []
    for node in nodes:
        found = module.syntax.lookup(name.id, node)
        if bound is not None and found is not None and found[0] is bound[0]:
            added += _added(follower, module, node, table)
    return merged([table, *added], table.place) if added else table


def _changes(module: Module) -> dict[str, list[ast.AST]]:
    """By name, what may add to the dictionary it is bound to."""
    found: dict[str, list[ast.AST]] = {}
    for assign in module.syntax.all(ast.Assign):
        for target in assign.targets:
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                found.setdefault(target.value.id, []).append(assign)
    for augmented in module.syntax.all(ast.AugAssign):
        if isinstance(augmented.op, ast.BitOr) and isinstance(augmented.target, ast.Name):
            found.setdefault(augmented.target.id, []).append(augmented)
    for call in module.syntax.all(ast.Call):
        func = call.func
        adds = isinstance(func, ast.Attribute) and func.attr in ("update", "setdefault")
        receiver = func.value if adds and isinstance(func, ast.Attribute) else None
        if isinstance(receiver, ast.Name):
            found.setdefault(receiver.id, []).append(call)
    return found


def _added(follower: Follower, module: Module, node: ast.AST, table: Table) -> list[Table]:
    """What one statement or call adds to a table."""
    if isinstance(node, ast.Assign):
        keys = [target.slice for target in node.targets if isinstance(target, ast.Subscript)]
        return [_entry(follower, module, key, node.value) for key in keys]
    if isinstance(node, ast.AugAssign):
        return spread(follower, module, node.value)
    assert isinstance(node, ast.Call)  # noqa: S101 (the third kind of change)
    if getattr(node.func, "attr", "") == "setdefault":
        if len(node.args) != 2:  # noqa: PLR2004 (key and value)
            return []
        default = _entry(follower, module, node.args[0], node.args[1])
        return [] if set(default.entries) <= set(table.entries) else [default]
    added = [one for argument in node.args for one in spread(follower, module, argument)]
    entries: dict[str, tuple[Held, ...]] = {
        keyword.arg: (Expression(module, keyword.value),)
        for keyword in node.keywords
        if keyword.arg is not None
    }
    return [*added, Table(entries, follower.place(module, node))]


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
