"""The dictionary of a function's own that a call takes with `**`, to which a key can be added beforehand."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.syntax import Binding, Syntax

_MAKERS = frozenset({"dict", "asdict", "copy", "deepcopy"})
_LOADERS = frozenset({"load", "loads", "safe_load", "full_load"})
_READERS = (ast.Attribute, ast.Subscript, ast.Compare)


def own_mapping(syntax: Syntax, call: ast.Call) -> tuple[str, ast.stmt] | None:
    """The name of such a dictionary and the statement before which a key can be added.

    Or one section of the settings that the function has loaded, `cfg["engine"]`. None where it isn't the only
    `**` of the call, may be somebody else's dictionary (an argument, an attribute, a module's), or is handed
    on elsewhere too, where the key would be a surprise.
    """
    spreads = [keyword.value for keyword in call.keywords if keyword.arg is None]
    if len(spreads) != 1:
        return None
    section = _section(spreads[0])
    use = spreads[0].value if isinstance(spreads[0], ast.Subscript) else spreads[0]
    if not isinstance(use, ast.Name) or section is None:
        return None
    function = syntax.function(call)
    found = syntax.lookup(use.id, use)
    statement = syntax.statement(call)
    if function is None or found is None or found[0] is not function or syntax.scope(call) is not function:
        return None
    if isinstance(statement, (ast.If, ast.While, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith)):
        return None  # the call stands in its head
    if section:
        if not all(_is_loaded(binding) for binding in found[1]):
            return None
    elif not all(_is_own(function, use.id, binding) for binding in found[1]):
        return None
    others = (n for n in syntax.loads.get(use.id, ()) if n is not use and syntax.scope(n) is function)
    if any(not _is_harmless(syntax, other, use) for other in others):
        return None
    return f"{use.id}{section}", statement


def _section(node: ast.expr) -> str | None:
    """`["engine"]` of `cfg["engine"]`, "" of a name alone, None of anything else."""
    if isinstance(node, ast.Name):
        return ""
    key = node.slice if isinstance(node, ast.Subscript) else None
    name = key.value if isinstance(key, ast.Constant) else None
    return f'["{name}"]' if isinstance(name, str) and name.isidentifier() else None


def _is_loaded(binding: Binding) -> bool:
    """Whether a name is bound to what `yaml.safe_load(...)` and its like return: new dictionaries."""
    func = binding.node.func if isinstance(binding.node, ast.Call) else None
    return (
        binding.kind == "value"
        and not binding.path
        and isinstance(func, ast.Attribute)
        and func.attr in _LOADERS
        and isinstance(func.value, ast.Name)
        and func.value.id in ("yaml", "json", "toml", "tomllib", "tomli")
    )


def _is_own(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, binding: Binding) -> bool:
    """Whether the function made the dictionary itself: its `**name` parameter, or what makes a new one."""
    if binding.path:
        return False
    if binding.kind == "parameter":
        return function.args.kwarg is not None and function.args.kwarg.arg == name
    node = binding.node
    if binding.kind != "value":
        return False
    parts = (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)
    return all(_makes(part) for part in parts)


def _makes(node: ast.AST) -> bool:
    """Whether the expression makes a new dictionary."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr)
    if not isinstance(node, ast.Call):
        return isinstance(node, (ast.Dict, ast.DictComp))
    name = last_name(node.func)
    return name in _MAKERS and not any(_has_all_keys(part) for part in (node, *node.args))


def _has_all_keys(node: ast.expr) -> bool:
    """Whether these are the fields of an EngineArgs, by its name: a default added to them comes too late."""
    if not isinstance(node, ast.Call) or not node.args:
        return False
    name = last_name(node.func)
    whole = node.args[0]
    last = last_name(whole)
    return name in ("asdict", "vars") and last.endswith("engine_args")


def _is_harmless(syntax: Syntax, other: ast.Name, use: ast.Name) -> bool:
    """Whether another reading of the dictionary is of its entries, or comes before the key is added."""
    parent = syntax.parents[other]
    if isinstance(parent, _READERS):
        return True
    before = other.lineno < syntax.statement(use).lineno
    # f(**kw) and {**kw} copy it; kw | x makes a new one
    return before and (
        isinstance(parent, (ast.BinOp, ast.comprehension))
        or (isinstance(parent, ast.keyword) and parent.arg is None)
        or (isinstance(parent, ast.Dict))
    )
