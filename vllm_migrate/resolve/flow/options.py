"""Options that a program's own parser returned: what they are unless they are given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.configurations import option_name
from vllm_migrate.resolve.flow.objects import instance
from vllm_migrate.resolve.flow.values import Definition, Expression, Scalar, Several, Table, Unknown
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Held, Value

_DATACLASSES = frozenset({"HfArgumentParser", "TrlParser", "ArgumentParser", "H4ArgumentParser"})
_INTO = frozenset({"parse_args_into_dataclasses", "parse_args_and_config", "parse"})
_BARE = {"store_true": False, "store_false": True}


def parsed(follower: Follower, module: Module, node: ast.Call) -> tuple[Value, ...] | None:
    """What `parser.parse_args()` and its like return; None where the call is none of them."""
    name = last_name(node.func)
    if name in _INTO:
        return _into_dataclasses(follower, module, node)
    if name == "cli":  # tyro.cli(Config)
        made = [_object(follower, module, one) for one in node.args[:1]]
        return tuple(one for one in made if one is not None) or None
    options = _options(follower, module)
    if not options:
        return None
    place = follower.place(module, node)
    table = Table(options, place)
    return (Several(((table,), ()), place),) if name == "parse_known_args" else (table,)


def _options(follower: Follower, module: Module) -> dict[str, tuple[Held, ...]]:
    """All options that the module's parsers know, with their defaults."""
    options: dict[str, tuple[Held, ...]] = {}
    for call in module.syntax.all(ast.Call):
        name = option_name(call) if last_name(call.func) == "add_argument" else ""
        if name:
            options[name] = _default(follower, module, call, name)
    for call in module.syntax.all(ast.Call):
        if last_name(call.func) == "set_defaults":
            for keyword in call.keywords:
                if keyword.arg is not None:
                    options[keyword.arg] = (Expression(module, keyword.value),)
    return options


def _default(follower: Follower, module: Module, call: ast.Call, name: str) -> tuple[Held, ...]:
    place = follower.place(module, call)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    flag = next(
        (a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)), name
    )
    said = (f"{flag} keeps its default ({place})",)
    action = given.get("action")
    required = given.get("required")
    if isinstance(required, ast.Constant) and required.value:
        return (Unknown(f"{flag} is required on the command line", place, (name,)),)
    if "default" in given:
        return (Expression(module, given["default"], said),)
    if isinstance(action, ast.Constant) and action.value in _BARE:
        return (Scalar(_BARE[action.value], place, said),)
    if not flag.startswith("-"):
        return (Unknown(f"{flag} is given on the command line", place, (name,)),)
    return (Scalar(None, place, said),)


def _into_dataclasses(follower: Follower, module: Module, node: ast.Call) -> tuple[Value, ...] | None:
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    made = _parser(module, receiver) if receiver is not None else None
    if made is None or not made.args:
        return None
    first = made.args[0]
    if isinstance(first, ast.Name):
        found = module.syntax.lookup(first.id, first)
        tuples = [b.node for b in found[1] if isinstance(b.node, (ast.Tuple, ast.List))] if found else []
        first = tuples[0] if tuples else first
    classes = first.elts if isinstance(first, (ast.Tuple, ast.List)) else [first]
    place = follower.place(module, node)
    objects = [
        _object(follower, module, one) or Unknown(f"{last_name(one) or 'it'} is not the project's", place)
        for one in classes
    ]
    return (Several(tuple((one,) for one in objects), place),)


def _parser(module: Module, node: ast.expr) -> ast.Call | None:
    """The construction of the parser that a name stands for."""
    if isinstance(node, ast.Call):
        return node if last_name(node.func) in _DATACLASSES else None
    found = module.syntax.lookup(node.id, node) if isinstance(node, ast.Name) else None
    for binding in found[1] if found else ():
        if isinstance(binding.node, ast.Call):
            if last_name(binding.node.func) in _DATACLASSES:
                return binding.node
            return _made_by(module, binding.node)
    return None


def _made_by(module: Module, call: ast.Call) -> ast.Call | None:
    """The construction of the parser in the module's own function that is called."""
    found = module.syntax.lookup(call.func.id, call.func) if isinstance(call.func, ast.Name) else None
    for binding in found[1] if found else ():
        for inside in ast.walk(binding.node) if isinstance(binding.node, ast.FunctionDef) else ():
            if isinstance(inside, ast.Call) and last_name(inside.func) in _DATACLASSES and inside.args:
                return inside
    return None


def _object(follower: Follower, module: Module, node: ast.expr) -> Table | None:
    for value in follower.values(module, node):
        if isinstance(value, Definition):
            return instance(follower, value, follower.place(module, node))
    return None
