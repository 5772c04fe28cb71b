"""Signatures, fields and attributes of functions and classes, as values of `model`."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_DEFAULT = 120
"""Longer default sources are stored as "..."."""

_DATACLASS = re.compile(r"(^|\.)(dataclass|config|define|attrs|pydantic_dataclass)$")
_DATA_BASE = re.compile(r"(^|\.)(BaseModel|RootModel|BaseSettings|Struct|NamedTuple|TypedDict)$")
_FIELD_CALL = re.compile(r"(^|\.)([fF]ield|PydanticField)$")
_OMIT: Any = object()


def function_shape(function: Function, *, method: bool = False) -> list[Any]:
    """["f", parameters]; a method's first parameter is left out unless it is static."""
    arguments = function.args
    parameters = _parameters(arguments)
    decorators = {ast.unparse(d) for d in function.decorator_list}
    if method and "staticmethod" not in decorators and parameters:
        del parameters[0]
        if parameters and parameters[0] == "/":
            del parameters[0]
    return ["f", parameters]


def class_shapes(node: ast.ClassDef, prefix: str = "") -> dict[str, list[Any]]:
    """The class, its methods and its nested classes, by path."""
    path = f"{prefix}{node.name}"
    how, keyword_only = _constructor(node)
    fields: list[str] = ["*"] if keyword_only else []
    others: dict[str, None] = {}
    shapes: dict[str, list[Any]] = {}
    for statement in _body(node.body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _add_method(shapes, path, statement)
                others.update(dict.fromkeys(_instance_attributes(statement)))
            case ast.ClassDef():
                others[statement.name] = None
                shapes.update(class_shapes(statement, f"{path}."))
            case ast.AnnAssign(target=ast.Name(id=name)):
                annotation = ast.unparse(statement.annotation)
                if annotation.endswith("KW_ONLY"):
                    fields.append("*")
                    continue
                default = _default(statement.value)
                if "ClassVar" in annotation or default is _OMIT or name.startswith("__"):
                    others[name] = None
                else:
                    fields.append(name if default is None else f"{name}={default}")
            case ast.Assign():
                for target in statement.targets:
                    for inner in ast.walk(target):
                        if isinstance(inner, ast.Name) and not inner.id.startswith("__"):
                            others[inner.id] = None
            case _:
                pass
    known = {field.partition("=")[0] for field in fields}
    rest = [name for name in others if name not in known and f"{path}.{name}" not in shapes]
    bases = [ast.unparse(base) for base in node.bases]
    return {path: ["c", bases, how, fields, rest], **shapes}


def _constructor(node: ast.ClassDef) -> tuple[str, bool]:
    """How fields become constructor parameters, and whether all are keyword-only."""
    calls = [(d.func, d.keywords) if isinstance(d, ast.Call) else (d, []) for d in node.decorator_list]
    for function, keywords in calls:
        if _DATACLASS.search(ast.unparse(function)):
            return "d", _has_true(keywords, "kw_only")
    for base in node.bases:
        if _DATA_BASE.search(ast.unparse(base).partition("[")[0]):
            return "b", _has_true(node.keywords, "kw_only")
    return "", False


def _has_true(keywords: Iterable[ast.keyword], name: str) -> bool:
    return any(
        k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is True for k in keywords
    )


def _body(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a class, branches included."""
    for statement in statements:
        if isinstance(statement, ast.If):
            yield from _body(statement.body)
            yield from _body(statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from _body(statement.body)
            for handler in statement.handlers:
                yield from _body(handler.body)
        else:
            yield statement


def _add_method(shapes: dict[str, list[Any]], path: str, function: Function) -> None:
    if function.name.startswith("__") and function.name not in {"__init__", "__call__", "__new__"}:
        return
    decorators = [ast.unparse(d) for d in function.decorator_list]
    key = f"{path}.{function.name}"
    if any(d.endswith(("overload", ".setter", ".deleter")) for d in decorators):
        return
    if any(d.endswith("property") for d in decorators):
        shapes[key] = ["p"]
    else:
        shapes[key] = function_shape(function, method=True)


def _instance_attributes(function: Function) -> Iterator[str]:
    """Attributes assigned on `self` in a method."""
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def _parameters(arguments: ast.arguments) -> list[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults.extend(arguments.defaults)
    listed = [_parameter(a, d) for a, d in zip(positional, defaults, strict=True)]
    if arguments.posonlyargs:
        listed.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        listed.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        listed.append("*")
    listed.extend(_parameter(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    if arguments.kwarg:
        listed.append(f"**{arguments.kwarg.arg}")
    return listed


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return argument.arg if default is None else f"{argument.arg}={_source(default)}"


def _default(value: ast.expr | None) -> Any:
    """A field's default source, None where it has none, `_OMIT` where it is no constructor parameter.

    `field(default=X)` and its kin are X; a default factory is its call.
    """
    if not (isinstance(value, ast.Call) and _FIELD_CALL.search(ast.unparse(value.func))):
        return None if value is None else _source(value)
    keywords = {k.arg: k.value for k in value.keywords}
    init = keywords.get("init")
    if isinstance(init, ast.Constant) and init.value is False:
        return _OMIT
    default = keywords.get("default", value.args[0] if value.args else None)
    if default is not None:
        return None if isinstance(default, ast.Constant) and default.value is ... else _source(default)
    factory = keywords.get("default_factory")
    if factory is None:
        return None
    return _source(factory.body) if isinstance(factory, ast.Lambda) else f"{_source(factory)}()"


def _source(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= LONGEST_DEFAULT else "..."
