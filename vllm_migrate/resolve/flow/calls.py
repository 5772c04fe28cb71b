"""What a call gives back: loaded settings, parsed options, copies, objects, results of functions."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.resolve.flow import settings_files
from vllm_migrate.resolve.flow.objects import instance
from vllm_migrate.resolve.flow.options import parsed
from vllm_migrate.resolve.flow.tables import item, merged, spread
from vllm_migrate.resolve.flow.values import Definition, Expression, Scalar, Table, Unknown, assuming
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Held, Value

_LOADERS = frozenset({"load", "safe_load", "full_load", "unsafe_load", "from_yaml"})
_SAME = frozenset(
    {
        "to_container", "to_object", "create", "deepcopy", "copy", "DictConfig", "Namespace", "structured",
        "edict", "EasyDict", "SimpleNamespace", "asdict", "vars", "to_dict", "model_dump", "cast",
        "instantiate", "freeze",
    }
)  # fmt: skip
_READ = frozenset(
    {
        "read_text", "read", "open_text", "resolve", "absolute", "expanduser", "open", "Path", "str",
        "fspath", "abspath", "realpath", "PurePath", "TextIOWrapper", "to_absolute_path",
    }
)  # fmt: skip
_OVERRIDES = frozenset({"from_cli", "from_dotlist", "from_args"})
_TO = {"int": int, "float": float, "bool": bool, "str": str}
_PARSERS = frozenset(
    {
        "parse_args", "parse_known_args", "parse_intermixed_args", "parse_args_into_dataclasses",
        "parse_args_and_config", "cli", "parse",
    }
)  # fmt: skip
_DEEPEST_PATH = 4


class CallFollower:
    """Answers for one project."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def values(self, module: Module, node: ast.Call) -> tuple[Value, ...]:
        """What a call can give back."""
        func = node.func
        name = last_name(func)
        receiver = func.value if isinstance(func, ast.Attribute) else None
        defined = self._defined(module, func)
        if defined is not None:
            return self._of_definition(defined, module, node)
        if name in ("get", "pop", "setdefault") and receiver is not None and node.args:
            return self._get(module, node, receiver)
        if name == "getattr" and len(node.args) > 1:
            return self._get(module, node, node.args[0], shift=1)
        if name in _PARSERS:
            found = parsed(self._follower, module, node)
            if found is not None:
                return found
        return self._known(module, node, name, receiver)

    def _known(
        self, module: Module, node: ast.Call, name: str, receiver: ast.expr | None
    ) -> tuple[Value, ...]:
        follower = self._follower
        place = follower.place(module, node)
        if name in _LOADERS and node.args:
            return tuple(
                settings_files.loaded(follower, value, place) if isinstance(value, Scalar) else value
                for value in follower.values(module, node.args[0])
            )
        if name == "merge" and node.args:
            tables = [table for one in node.args for table in spread(follower, module, one)]
            return (merged(tables, place),)
        if name in _OVERRIDES:
            return (Table({}, place, assumed=(f"nothing is given on the command line ({place})",)),)
        if name == "dict" and receiver is None:
            return (self._dict(module, node),)
        if name in _TO and receiver is None and len(node.args) == 1:
            return tuple(self._converted(value, name) for value in follower.values(module, node.args[0]))
        if name in _READ:
            return follower.values(module, node.args[0] if node.args else receiver or node.func)
        if name in ("join", "joinpath") and node.args:
            return self._path(module, node)
        if name in _SAME:
            inner = node.args[-1] if node.args and name == "cast" else node.args[0] if node.args else receiver
            if inner is not None:
                return follower.values(module, inner)
            return (self._dict(module, node),)
        if name == "getenv" and len(node.args) > 1:
            said = (f"{ast.unparse(node.args[0])} is not set in the environment ({place})",)
            return tuple(assuming(value, said) for value in follower.values(module, node.args[1]))
        return (follower.unknown(module, node, "is computed"),)

    def _defined(self, module: Module, func: ast.expr) -> Definition | None:
        """The project's function or class that is called."""
        if isinstance(func, ast.Name):
            for value in self._follower.values(module, func):
                if isinstance(value, Definition):
                    return value
        own = module.syntax.self_attribute(func)
        if own is not None and isinstance(func, ast.Attribute):
            for node in own.body:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == func.attr:
                    return Definition(module, node)
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            found = module.syntax.lookup(func.value.id, func.value)
            for binding in found[1] if found else ():
                if isinstance(binding.node, ast.alias):
                    where = self._follower.program.imported(module, binding.node, binding.statement)
                    if where is not None and not where[1]:
                        leads = self._follower.program.definition(where[0], func.attr)
                        return Definition(*leads) if leads is not None else None
        return None

    def _of_definition(self, defined: Definition, module: Module, call: ast.Call) -> tuple[Value, ...]:
        place = self._follower.place(module, call)
        if isinstance(defined.node, ast.ClassDef):
            return (instance(self._follower, defined, place, (module, call)),)
        syntax = defined.module.syntax
        values: list[Value] = []
        for returned in syntax.all(ast.Return):
            if returned.value is not None and syntax.function(returned) is defined.node:
                values += self._follower.values(defined.module, returned.value)
        return tuple(values) or (Unknown(f"{defined.node.name}() returns nothing", place),)

    def _get(self, module: Module, node: ast.Call, receiver: ast.expr, shift: int = 0) -> tuple[Value, ...]:
        """`table.get("key", default)`, `getattr(object, "key", default)`."""
        follower = self._follower
        key = node.args[shift]
        rest = node.args[shift + 1 :]
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return (follower.unknown(module, node, "is computed"),)
        values: list[Value] = []
        for table in follower.values(module, receiver):
            found = item(follower, table, key.value) if isinstance(table, Table) else ()
            if isinstance(table, Unknown):
                values.append(follower.by_keys(Unknown(table.why, table.place, (*table.trail, key.value))))
            elif found and not all(isinstance(value, Unknown) for value in found):
                values += found
            elif isinstance(table, Table) and not table.open:
                values += (
                    follower.values(module, rest[0])
                    if rest
                    else (Scalar(None, follower.place(module, node)),)
                )
            else:
                values += found
        return tuple(values)

    def _dict(self, module: Module, node: ast.Call) -> Table:
        follower = self._follower
        place = follower.place(module, node)
        tables: list[Table] = []
        for one in node.args:
            tables += spread(follower, module, one)
        for keyword in node.keywords:
            if keyword.arg is None:
                tables += spread(follower, module, keyword.value)
            else:
                entries: dict[str, tuple[Held, ...]] = {keyword.arg: (Expression(module, keyword.value),)}
                tables.append(Table(entries, place))
        return merged(tables, place)

    @staticmethod
    def _converted(value: Value, name: str) -> Value:
        if not isinstance(value, Scalar):
            return value
        try:
            return replace(value, value=_TO[name](value.value))
        except (TypeError, ValueError, OverflowError):
            return Unknown(f"{name}({value.value!r}) fails", value.place)

    def _path(self, module: Module, node: ast.Call) -> tuple[Value, ...]:
        """`os.path.join(here, "conf", "engine.yaml")`: the part of the path that is known, its end."""
        follower = self._follower
        parts: list[str] = []
        said: tuple[str, ...] = ()
        for argument in node.args[-_DEEPEST_PATH:]:
            values = follower.values(module, argument)
            first = values[0] if len(values) == 1 else None
            if isinstance(first, Scalar) and isinstance(first.value, str):
                parts.append(first.value)
                said += first.assumed
            else:
                parts, said = [], ()
        place = follower.place(module, node)
        return (Scalar("/".join(parts), place, said) if parts else Unknown("a path is computed", place),)
