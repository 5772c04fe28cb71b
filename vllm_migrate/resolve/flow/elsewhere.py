"""Fields and options of other files that reach a constructor of vLLM's: `LLM(**asdict(config))`.

Where a file says itself what its object is, `resolve/defaults.py` has its fields. This follows the objects
that another file of the project defines: a dataclass that is imported, the options of a parser that another
module fills. Only calls that take such an object are followed, and nothing is parsed where there is none.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.defaults import FROM_OPTIONS, shared_fields
from vllm_migrate.resolve.flow.follow import Follower
from vllm_migrate.resolve.flow.program import Program
from vllm_migrate.resolve.flow.values import Expression, Scalar, Table
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.resolve.vocabulary import owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Held
    from vllm_migrate.resolve.project import ProjectIndex

Field = tuple[str, str]
"""The class that declares a field, "" for an option of a parser, and the name it has there."""


def fields_elsewhere(
    taking: Iterable[tuple[FileFacts, list[Call]]],
    sources: Mapping[PurePosixPath, bytes],
    index: ProjectIndex,
    matters: Callable[[str], bool],
) -> dict[PurePosixPath, dict[Field, tuple[str, str]]]:
    """By file, the fields and options that reach a constructor in another one: what takes each, and as what.

    Args:
        taking: Python files that were read, with what `calls_with_objects` found in each.
        sources: all Python files of the project.
        index: what the project's modules say; it has most of them parsed.
        matters: whether something may be found in an engine argument of that name; only those are followed
            where an attribute is handed over by itself, `LLM(swap_space=config.swap_space)`.
    """
    found: dict[PurePosixPath, dict[Field, tuple[str, str]]] = {}
    follower = Follower(Program(sources, index))
    for file, calls in taking:
        module = follower.program.module(file.path)
        if module is None:
            continue
        for call in calls:
            for path, field, taken in _of_call(follower, module, call, matters):
                found.setdefault(path, {}).setdefault(field, taken)
    return found


def _of_call(
    follower: Follower, module: Module, call: Call, matters: Callable[[str], bool]
) -> Iterator[tuple[PurePosixPath, Field, tuple[str, str]]]:
    node = next(
        (n for n in module.syntax.all(ast.Call) if module.text.span(n) == call.span),
        None,
    )
    if node is None:
        return
    owner = "engine" if call.target in FROM_OPTIONS else owner_of(call.target)
    whole = node.args[:1] if call.target in FROM_OPTIONS else []
    whole += [keyword.value for keyword in node.keywords if keyword.arg is None]
    for expression in whole:
        for name, held in _entries(follower, module, expression):
            for path, field in _declared(module, name, held, follower):
                yield path, field, (owner, name)
    shared = shared_fields(node)
    for keyword in node.keywords:
        if keyword in shared:
            continue
        if keyword.arg is None or not isinstance(keyword.value, ast.Attribute) or not matters(keyword.arg):
            continue
        for name, held in _entries(follower, module, keyword.value.value):
            if name == keyword.value.attr:
                for path, field in _declared(module, name, held, follower):
                    yield path, field, (owner, keyword.arg)


def _entries(follower: Follower, module: Module, node: ast.expr) -> Iterator[tuple[str, Held]]:
    for value in follower.ask(module, node):
        if isinstance(value, Table):
            for name, several in value.entries.items():
                for held in several:
                    yield name, held


def _declared(
    module: Module, name: str, held: Held, follower: Follower
) -> Iterator[tuple[PurePosixPath, Field]]:
    """Where an entry comes from another module's field or option, that module and the name."""
    if isinstance(held, Expression) and held.module.path != module.path:
        for above in held.module.syntax.ancestors(held.node):
            if isinstance(above, ast.Call) and last_name(above.func) == "add_argument":
                yield held.module.path, ("", name)
            elif isinstance(above, ast.AnnAssign):
                class_ = held.module.syntax.parents.get(above)
                if isinstance(class_, ast.ClassDef):
                    yield held.module.path, (class_.name, name)
            elif not isinstance(above, (ast.Call, ast.keyword)):
                break
    elif isinstance(held, Scalar) and held.place.path != module.path:
        there = follower.program.module(held.place.path)
        for call in there.syntax.all(ast.Call) if there is not None else ():
            if call.lineno == held.place.line and last_name(call.func) == "add_argument":
                yield held.place.path, ("", name)
