"""Classes whose methods run on the workers: worker extensions, and classes derived from a Worker."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span
from vllm_migrate.files.weight_sync import WorkerClass, WorkerMethod
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Function, Syntax
    from vllm_migrate.resolve.versions import VersionGates

_WORKER = re.compile(r"^vllm\.(?:v1\.)?(?:worker|engine)\.[\w.]*Worker\w*$")
_DOTTED = re.compile(r"^(?:\w+[.:])+\w+$")


def worker_classes(
    path: PurePosixPath, syntax: Syntax, names: Names, text: SourceText, gates: VersionGates
) -> tuple[WorkerClass, ...]:
    """The classes of a file whose methods run on the workers, in source order.

    A class counts where it derives from a Worker of vLLM's, where a string in the file names it as
    `module.Class`, or where its methods use `self.model_runner` and it doesn't set that itself; not in a
    branch that the target never takes.
    """
    if b"class " not in text.source or not (b"model_runner" in text.source or b"orker" in text.source):
        return ()
    found = []
    named = _named_in_strings(syntax)
    runner_users = _using_the_runner(syntax, text)
    for class_ in syntax.in_order(ast.ClassDef):
        if gates.is_dead(class_):
            continue
        derived = _derives_from_worker(class_, names)
        is_named = class_.name in named
        if derived or is_named or class_ in runner_users:
            functions = [node for node in class_.body if isinstance(node, FUNCTIONS)]
            methods = tuple(_method(function, text) for function in functions)
            constructor = next((function for function in functions if function.name == "__init__"), None)
            found.append(
                WorkerClass(
                    name=class_.name,
                    qualified=f"{module_name(path)}.{class_.name}".lstrip("."),
                    name_span=_name_span(class_, b"class", text),
                    methods=methods,
                    named=is_named,
                    derived=derived,
                    constructor=text.span(constructor) if constructor is not None else None,
                    attributes=_attributes(constructor, text) if constructor is not None else None,
                    calls_super=any(
                        _is_super(node)
                        for function in functions
                        if function is not constructor
                        for node in ast.walk(function)
                    ),
                )
            )
    return tuple(found)


def module_name(path: PurePosixPath) -> str:
    """The file's module name as far as its path tells it."""
    parts = [part for part in path.with_suffix("").parts if re.fullmatch(r"[A-Za-z_]\w*", part)]
    parts = parts[1:] if parts[:1] == ["src"] else parts
    return ".".join(parts[:-1] if parts[-1:] == ["__init__"] else parts)


def _named_in_strings(syntax: Syntax) -> set[str]:
    return {
        re.split(r"[.:]", constant.value)[-1]
        for constant in syntax.all(ast.Constant)
        if isinstance(constant.value, str) and _DOTTED.match(constant.value)
    }


def _derives_from_worker(class_: ast.ClassDef, names: Names) -> bool:
    for base in class_.bases:
        meaning = names.of(base)
        if meaning is not None and meaning.kind is Kind.CLASS:
            inherited = names.user.vllm_base(meaning)
            meaning = Meaning(Kind.NAME, inherited.name) if inherited is not None else None
        if meaning is not None and meaning.kind is Kind.NAME and _WORKER.match(meaning.name):
            return True
    return False


def _using_the_runner(syntax: Syntax, text: SourceText) -> set[ast.ClassDef]:
    """The classes without a base whose methods use `self.model_runner` and don't set it."""
    if b"self.model_runner" not in text.source:
        return set()
    uses = (node for node in syntax.all(ast.Attribute) if node.attr == "model_runner")
    found = {syntax.method_class(node) for node in uses if getattr(node.value, "id", "") == "self"}
    classes = {place[0] for place in found if place is not None}
    return {
        class_
        for class_ in classes
        if not class_.bases and "model_runner" not in syntax.attribute_bindings.get(class_, {})
    }


def _method(function: Function, text: SourceText) -> WorkerMethod:
    arguments = function.args
    parameters = [p.arg for p in (*arguments.posonlyargs, *arguments.args)][1:]
    body = function.body
    documented = (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    )
    first = body[1] if documented and len(body) > 1 else body[0]
    named = (*parameters, *(p.arg for p in arguments.kwonlyargs))
    return WorkerMethod(
        function.name,
        _name_span(function, b"def", text),
        named,
        text.span(first),
        tuple(name for name in named if any(_converts(statement, name) for statement in body)),
    )


def _converts(statement: ast.stmt, name: str) -> bool:
    """`dtype = by_name(dtype)`."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)):
        return False
    given = [getattr(argument, "id", "") for argument in statement.value.args]
    return [getattr(target, "id", "") for target in statement.targets] == [name] and given == [name]


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _attributes(constructor: Function, text: SourceText) -> str | None:
    """The constants that a constructor sets, as class attributes with their comments.

    None where it does anything else than that, calling the base's constructor, and raising where something
    isn't installed.
    """
    lines = text.text.splitlines()
    found: list[str] = []
    seen = constructor.lineno
    for statement in constructor.body:
        value = statement.value if isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)) else None
        if isinstance(statement, ast.Expr) and (isinstance(value, ast.Constant) or _calls_base(value)):
            seen = statement.end_lineno or statement.lineno
            continue
        if isinstance(statement, ast.If) and not statement.orelse and _only_raises(statement.body):
            seen = statement.end_lineno or statement.lineno
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        target = targets[0] if len(targets) == 1 else getattr(statement, "target", None)
        if not isinstance(value, ast.Constant) or not _is_own_attribute(target):
            return None
        above = [line.strip() for line in lines[seen : statement.lineno - 1]]
        found += [line for line in above if line.startswith("#")]
        found.append(lines[statement.lineno - 1].strip().removeprefix("self."))
        seen = statement.end_lineno or statement.lineno
    return "\n".join(found)


def _calls_base(node: ast.expr | None) -> bool:
    """`super().__init__(...)`."""
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr == "__init__" and _is_super(func.value)


def _only_raises(body: list[ast.stmt]) -> bool:
    return all(isinstance(statement, ast.Raise) for statement in body)


def _is_own_attribute(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _name_span(node: Function | ast.ClassDef, keyword: bytes, text: SourceText) -> Span:
    name = text.encode(node.name)
    start = text.source.index(keyword, text.span(node).start) + len(keyword)
    start = text.source.index(name, start)
    return Span(start, start + len(name))
