"""What the code that builds an engine goes on to do with it, as far as the file shows."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.resolve.usage import SYNC
from vllm_migrate.rules.module import found_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.module import Module

_BUILDERS = frozenset({"from_engine_args", "from_vllm_config"})
_HARMLESS = frozenset(
    {
        *("generate", "chat", "encode", "embed", "classify", "score", "reward", "beam_search"),
        *("get_tokenizer", "set_tokenizer", "get_default_sampling_params", "shutdown", "close"),
        *("start_profile", "stop_profile", "get_metrics", "abort", "abort_request", "add_request", "step"),
        *("has_unfinished_requests", "get_model_config", "model_config", "is_tracing_enabled"),
    }
)
"""What leaves an engine's weights as they are."""
_ABOUT = frozenset({"get_tokenizer", "tokenizer", "get_model_config", "model_config", "vllm_config"})
"""What of `llm.llm_engine` only tells something of it."""
_WORKERS = ("worker_cls", "worker_extension_cls")


@dataclass(frozen=True, slots=True)
class Held:
    """An engine, or the arguments of one, where it is built.

    Attributes:
        module: the file around it; `node` the call that builds it.
        uses: the attributes that are taken of it, `llm.generate`, in the function or class that holds it.
        escapes: it is returned, passed on or put somewhere, so that others may use it, too.
        attribute: the attribute of an object that keeps it, "llm" for `self.llm`, else "".
    """

    module: Module
    node: ast.Call
    uses: tuple[ast.Attribute, ...]
    escapes: bool
    attribute: str = ""

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node."""
        return next(self.module.around(node), None)

    @property
    def names(self) -> frozenset[str]:
        """The names of the attributes that are taken of it."""
        return frozenset(use.attr for use in self.uses)


@dataclass(frozen=True, slots=True)
class _Trail:
    """The attributes of `self` that keep an engine, and whether to follow it into functions of the module."""

    attributes: list[str]
    into_functions: bool


def held(file: FileFacts, call: Call, *, into_functions: bool = False) -> Held | None:
    """What is done with the engine that a call builds; None where the call isn't found again.

    Arguments of an engine count as the engine where they are handed to `from_engine_args` in the same
    function. With `into_functions` it is followed into functions of the same module that are given it, too;
    those may be given something else under the same name.
    """
    again = found_again(file, call)
    if again is None:
        return None
    module, node = again
    trail = _Trail([], into_functions)
    uses, escapes = _followed(node, module, trail, 0)
    return Held(module, node, tuple(uses), escapes, next(iter(trail.attributes), ""))


def is_confined(found: Held, file: FileFacts, context: Context) -> bool:
    """Whether nobody but what is in sight uses an engine: no other file takes it from the object it is in."""
    if found.escapes or not found.uses:
        return False
    if not found.attribute:
        return True
    if context.mentions is None:
        return True
    name = found.attribute.encode()
    taken = re.compile(rb"\.%s\b(?<!\bself\.%s)" % (name, name))  # looks behind only where the name stands
    return context.mentions.code_matches(taken, name) <= {file.path}


def keeps_weights(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether this engine has the weights it was built with for good.

    It stays in the function or class that builds it, which only sends it requests and asks it about itself,
    and has no workers of the project's own. Nor does that function, or the file where an object keeps it,
    push weights anywhere: they may reach it by a client.
    """
    if any(call.argument(name) is not None for name in _WORKERS):
        return False
    found = held(file, call, into_functions=True)
    if found is None or not is_confined(found, file, context):
        return False
    if file.use.syncs_weights and (found.attribute or _syncs(found.module.scope(found.node))):
        return False
    return all(
        use.attr in _HARMLESS
        or (
            use.attr == "llm_engine"
            and isinstance(above := found.parent(use), ast.Attribute)
            and above.attr in _ABOUT
        )
        for use in found.uses
    )


def _syncs(scope: ast.AST) -> bool:
    """Whether a function, or a module outside its functions, calls something named after a weight update."""
    deferred = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        if isinstance(scope, ast.Module) and isinstance(node, deferred):
            continue
        if isinstance(node, ast.Attribute) and SYNC.match(node.attr):
            return True
        pending += ast.iter_child_nodes(node)
    return False


_DEEPEST = 4


def _followed(node: ast.expr, module: Module, trail: _Trail, depth: int) -> tuple[list[ast.Attribute], bool]:
    """The attributes taken of a value, and whether it gets out of sight.

    The trail grows by the names of those attributes of `self` that keep it.
    """
    above = next(module.around(node), None)
    if depth > _DEEPEST:
        return [], True
    if isinstance(above, ast.Await):
        return _followed(above, module, trail, depth)
    if isinstance(above, ast.Attribute):
        return [above], False
    if isinstance(above, ast.Expr):
        return [], False
    if isinstance(above, ast.Call) and node in above.args and _is_builder(above.func):
        return _followed(above, module, trail, depth + 1)
    if isinstance(above, ast.keyword):
        call = next(module.around(above), None)
        if isinstance(call, ast.Call) and above.arg == "engine_args" and _is_builder(call.func):
            return _followed(call, module, trail, depth + 1)
        return _all(_of_parameter(call, above, module, trail), module, trail, depth + 1)
    if isinstance(above, ast.Call) and node in above.args:
        return _all(_of_parameter(above, node, module, trail), module, trail, depth + 1)
    target: ast.expr | None = None
    if isinstance(above, ast.Assign) and len(above.targets) == 1:
        target = above.targets[0]
    elif isinstance(above, (ast.AnnAssign, ast.NamedExpr)):
        target = above.target
    if isinstance(target, ast.Name) and not isinstance(above, ast.NamedExpr):
        return _all(_of_name(target, module), module, trail, depth)
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
        trail.attributes.append(target.attr)
        return _all(_of_self(target, module), module, trail, depth)
    return [], True


def _is_builder(func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and func.attr in _BUILDERS


def _all(
    places: Iterator[ast.expr] | None, module: Module, trail: _Trail, depth: int
) -> tuple[list[ast.Attribute], bool]:
    if places is None:
        return [], True
    uses: list[ast.Attribute] = []
    escapes = False
    for place in places:
        above = next(module.around(place), None)
        if isinstance(above, ast.Attribute):
            uses.append(above)
        elif isinstance(above, (ast.Assign, ast.AnnAssign)):
            escapes = True  # another name for it
        elif not isinstance(above, (ast.Compare, ast.If, ast.UnaryOp)):
            more, out = _followed(place, module, trail, depth + 1)
            uses += more
            escapes = escapes or out
    return uses, escapes


def _of_name(target: ast.Name, module: Module) -> Iterator[ast.expr] | None:
    """Where a name is read that a function, or the module, binds; None where it is everybody's."""
    scope = module.scope(target)
    if any(isinstance(n, (ast.Global, ast.Nonlocal)) and target.id in n.names for n in ast.walk(scope)):
        return None
    if any(isinstance(n, ast.ClassDef) for n in module.around(target)) and scope is module.tree:
        return None  # an attribute of a class
    when = set(_conditions(target, module))
    return (
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Name)
        and node.id == target.id
        and isinstance(node.ctx, ast.Load)
        and not any((test, not holds) in when for test, holds in _conditions(node, module))
    )


def _of_parameter(
    call: ast.AST | None, given: ast.expr | ast.keyword, module: Module, trail: _Trail
) -> Iterator[ast.expr] | None:
    """Where a function of the same module reads what a call gives it; None for any other call."""
    if not (trail.into_functions and isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        return None
    name = call.func.id
    found = [one for one in module.tree.body if getattr(one, "name", "") == name]
    if len(found) != 1 or not isinstance(found[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    function = found[0]
    if isinstance(given, ast.keyword):
        taken = given.arg
    else:
        places = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        at = call.args.index(given)
        starred = any(isinstance(one, ast.Starred) for one in call.args[:at])
        taken = places[at] if at < len(places) and not starred else None
    every = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    if function.decorator_list or taken not in {one.arg for one in every}:
        return None
    return (
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == taken and isinstance(node.ctx, ast.Load)
    )


def _conditions(node: ast.AST, module: Module) -> Iterator[tuple[str, bool]]:
    """The tests that decide whether a node runs, as text, each with its outcome.

    Where a name is bound under `if args.use_vllm:`, what stands under its `else:`, or that of another such
    test further down, has another value.
    """
    within = node
    for above in module.around(node):
        if isinstance(above, ast.If) and within is not above.test:
            yield ast.unparse(above.test), within in above.body
        within = above


def _of_self(target: ast.Attribute, module: Module) -> Iterator[ast.expr] | None:
    """Where an attribute of an object is read in its class."""
    owner = next((above for above in module.around(target) if isinstance(above, ast.ClassDef)), None)
    if owner is None:
        return None
    return (
        node
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute)
        and node.attr == target.attr
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )
