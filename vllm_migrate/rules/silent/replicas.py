"""Which replica an engine is: the number that tells it from the others where it is built."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.rules.module import found_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.module import Module

# Best first: what tells replicas apart whatever else there is comes before what counts processes.
_RANKS = (
    *(
        "dp_rank",
        "data_parallel_rank",
        "replica_rank",
        "replica_id",
        "engine_id",
        "engine_rank",
        "engine_idx",
    ),
    *("actor_id", "actor_rank", "worker_id", "worker_idx", "worker_rank"),
    *("rank", "global_rank", "world_rank", "process_index", "process_idx"),
)
_SIGNS = re.compile(
    rb"\b(?:ray\.remote|ray\.get|get_rank|get_world_size|process_index|RANK|d?p?_?rank|world_size|external_launcher|data_parallel\w*"
    rb"|ActorGroup|placement_group|num_engines)\b"
)


_ONE_ONLY = re.compile(r"is_(?:local_)?(?:main|world)_process|is_world_process_zero|rank(?:\(\))? == 0")


@dataclass(frozen=True, slots=True)
class Replicas:
    """What is known of an engine's replicas where it is built.

    Attributes:
        number: the expression that tells it from the others, "" where none is in sight.
        expected: whether there may be others at all.
    """

    number: str
    expected: bool


def read_replicas(file: FileFacts, call: Call) -> Replicas:
    """What the code around a call tells.

    Engines of one tensor-parallel group under `external_launcher` have to agree on their seed, so that
    their ranks are divided by the size of the group.
    """
    again = found_again(file, call)
    if again is None:
        return Replicas("", _SIGNS.search(file.source) is not None)
    module, node = again
    signs = _speaks_of_others(node, module, file.source)
    if any(isinstance(a, ast.If) and _ONE_ONLY.search(ast.unparse(a.test)) for a in module.around(node)):
        return Replicas("", expected=False)
    found = "" if call.open_ended else _loop_index(node, module) or _named(node, module)
    number = _per_group(found, call) if found else ""
    return Replicas(number, signs or bool(number))


def _speaks_of_others(node: ast.AST, module: Module, source: bytes) -> bool:
    """Whether what builds an engine speaks of ranks or actors, or is made an actor.

    That is the class around it, or the function that is in none; a file that counts the processes of a
    trainer elsewhere may have but one engine.
    """
    owners = [
        above
        for above in module.around(node)
        if isinstance(above, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    if not owners:
        return _SIGNS.search(source) is not None
    owner = owners[-1]
    first = min([owner.lineno, *(decorator.lineno for decorator in owner.decorator_list)])
    written = b"\n".join(source.splitlines()[first - 1 : owner.end_lineno])
    name = owner.name.encode()
    actor = re.compile(rb"\b%s\b[\w.()\s]{0,40}\.(?:remote|options)\(|\bremote\([^)]*\b%s\b" % (name, name))
    return _SIGNS.search(written) is not None or actor.search(source) is not None


def _per_group(found: str, call: Call) -> str:
    """One number for each tensor-parallel group."""
    size, launcher = call.argument("tensor_parallel_size"), call.argument("distributed_executor_backend")
    alone = size is None or size.value.literal == 1
    if alone or launcher is None or launcher.value.literal != "external_launcher":
        return found
    simple = size is not None and re.fullmatch(r"[\w.]+", size.value.source)
    return f"{found} // {simple[0]}" if simple else ""


def _loop_index(node: ast.AST, module: Module) -> str:
    """The index of the loop that builds one engine a turn, in the same function."""
    scope = module.scope(node)
    for around in module.around(node):
        if around is scope:
            return ""
        loops: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(around, ast.For):
            loops = [(around.target, around.iter)]
        elif isinstance(around, (ast.ListComp, ast.GeneratorExp, ast.DictComp)):
            loops = [(one.target, one.iter) for one in around.generators]
        for target, over in loops:
            called = over.func.id if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) else ""
            if called == "range" and isinstance(target, ast.Name) and target.id != "_":
                return target.id
            if (
                called == "enumerate"
                and isinstance(target, ast.Tuple)
                and isinstance(target.elts[0], ast.Name)
            ):
                return target.elts[0].id
    return ""


def _named(node: ast.AST, module: Module) -> str:
    """A rank by its usual name that the function around the call is given, or binds before it."""
    scope = module.scope(node)
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ""
    seen = set(_bound(scope, node))
    return next((name for name in _RANKS if name in seen), "")


def _bound(function: ast.FunctionDef | ast.AsyncFunctionDef, node: ast.AST) -> Iterator[str]:
    every = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    yield from (parameter.arg for parameter in every)
    line = getattr(node, "lineno", 0)
    for statement in function.body:
        if isinstance(statement, ast.Assign) and statement.lineno < line:
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
