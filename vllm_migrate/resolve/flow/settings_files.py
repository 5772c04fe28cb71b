"""Settings that are loaded from YAML files of the tree: by path, or composed by Hydra."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.resolve.flow.tables import from_yaml, merged
from vllm_migrate.resolve.flow.values import Place, Scalar, Table, Unknown
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.files.yaml_tree import YamlNode
    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module, Program
    from vllm_migrate.resolve.flow.values import Value
    from vllm_migrate.resolve.syntax import Function

_SUFFIXES = (".yaml", ".yml", ".json")
_LEAST = 2  # names that have to lead the same way before a file may be taken by its keys alone


def loaded(follower: Follower, named: Scalar, place: Place) -> Value:
    """The settings in the file that a path names; by the path's end, since only running tells its start."""
    if not isinstance(named.value, str) or not named.value.endswith(_SUFFIXES):
        return Unknown(f"{named.value!r} names no YAML file", place)
    parts = tuple(part for part in PurePosixPath(named.value).parts if part not in ("/", ".", ".."))
    program = follower.program
    found = [path for path in program.yaml if path.parts[-len(parts) :] == parts]
    if not found:
        return Unknown(f"{named.value} is not in this tree", place)
    here = PurePosixPath(place.path).parent
    found.sort(key=lambda path: (path.parent != here, len(path.parts), path))
    if len(found) > 1 and found[0].parent != here:
        several = ", ".join(str(path) for path in found[:3])
        return Unknown(f"{named.value} may be any of {several}", place)
    tree = program.tree(found[0])
    if tree is None:
        return Unknown(f"{found[0]} can't be read", place)
    return from_yaml(found[0], tree, named.assumed)


def hydra(follower: Follower, module: Module, function: Function, parameter: ast.arg) -> Table | None:
    """The configuration that `@hydra.main(...)` hands to a function's first parameter."""
    parameters = [*function.args.posonlyargs, *function.args.args]
    if not parameters or parameters[0] is not parameter:
        return None
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call) or last_name(decorator.func) != "main":
            continue
        given = {k.arg: k.value for k in decorator.keywords}
        name = given.get("config_name")
        folder = given.get("config_path") or (decorator.args[0] if decorator.args else None)
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            where = folder.value if isinstance(folder, ast.Constant) else "."
            return _composed(follower, module.path.parent / str(where or "."), name.value)
    return None


def _composed(follower: Follower, folder: PurePosixPath, name: str) -> Table | None:
    """A configuration with what its `defaults` bring in."""
    folder = _normal(folder)
    program = follower.program
    path = next((p for s in ("", ".yaml", ".yml") if (p := folder / f"{name}{s}") in program.yaml), None)
    tree = program.tree(path) if path is not None else None
    if path is None or tree is None:
        return None
    said = (f"Hydra is given no overrides on the command line ({path})",)
    own = from_yaml(path, tree, said)
    if not isinstance(own, Table):
        return None
    below: list[Table] = []
    after: list[Table] = []
    into = below
    defaults = tree.keys.get("defaults")
    for entry in defaults.items if defaults is not None else ():
        if entry.value == "_self_":
            into = after
            continue
        found = _default(follower, folder, entry)
        if found is not None:
            into.append(found)
    place = Place(path, 1)
    whole = merged([*below, own, *after], place)
    return Table(whole.entries, place, whole.open, said, tree)


def _default(follower: Follower, folder: PurePosixPath, entry: YamlNode) -> Table | None:
    """One entry of `defaults`: `base`, or `group: option`, which lands below the group's name."""
    if isinstance(entry.value, str):
        return _composed(follower, folder, entry.value)
    for group, option in entry.keys.items():
        bare = group.removeprefix("override ").strip()
        target, _, package = bare.partition("@")
        if isinstance(option.value, str):
            found = _composed(follower, folder / target, option.value)
            if found is None or package == "_global_":
                return found
            for key in reversed((package or target.replace("/", ".")).split(".")):
                found = Table({key: (found,)}, found.place, assumed=found.assumed)
            return found
    return None


def _normal(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ".."):
            parts.append(part)
    return PurePosixPath(*parts)


def by_keys(program: Program, unknown: Unknown, only: tuple[PurePosixPath, ...] = ()) -> tuple[Value, ...]:
    """What YAML files of the tree hold where the names that an unresolved object is walked by lead.

    `config.rollout.seed`, with nobody to tell what `config` is, is `rollout: {seed: ...}` of a YAML file. A
    guess that is told as one; where files disagree, nothing is taken.

    Args:
        program: the project.
        unknown: the dead end, with its trail.
        only: look into these files alone, however short the trail.
    """
    trail = unknown.trail[1:] if not only else unknown.trail
    found: list[Value] = []
    for path in only or program.yaml:
        tree = program.tree(path)
        if tree is None or (not only and len(trail) < _LEAST):
            continue
        for keys in dict.fromkeys((trail, trail[1:])) if only else (trail,):
            if not keys:
                continue
            said = f"{'.'.join(unknown.trail)} is {'.'.join(keys)} of {path}"
            hits = [from_yaml(path, node, (said,)) for node in ends_with(tree, keys)]
            if hits:
                found += hits
                break
    return tuple(found)


def ends_with(node: YamlNode, keys: tuple[str, ...]) -> list[YamlNode]:
    """All nodes whose path of keys ends with these."""
    found = []
    here = node.at(keys)
    if here is not None:
        found.append(here)
    for below in node.keys.values():
        found += ends_with(below, keys)
    return found
