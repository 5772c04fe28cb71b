"""Reads one module's source with `ast`, never importing it: names it binds, shapes of what it defines."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vllm_migrate.facts.surface.model import UNSEEN
from vllm_migrate.facts.surface.shapes import class_shapes, function_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(slots=True)
class Module:
    """One parsed module.

    Attributes:
        names, shapes: as in `model.Document`.
        stars: modules of the same package whose names it takes with `import *`.
        exported: its `__all__`, or None.
    """

    names: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, list[Any]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    exported: list[str] | None = None


def read_module(source: bytes, module: str, *, is_package: bool, with_shapes: bool) -> Module:
    """Parse one module.

    Raises:
        SyntaxError: where this Python can't parse it.
        ValueError: where the source holds null bytes.
    """
    tree = ast.parse(source)
    reader = _Reader(module, is_package, with_shapes, lazy=_is_lazy(tree))
    reader.block(tree.body, top=True)
    if b"global " in source:
        reader.globals_of_functions(tree)
    if reader.lazy:
        reader.lazy_names(tree)
    for name in reader.module.exported or ():
        if name in reader.module.names:
            reader.module.names[name] += "!"
    return reader.module


class _Reader:
    def __init__(self, module: str, is_package: bool, with_shapes: bool, *, lazy: bool) -> None:
        self.name = module
        self.root = module.partition(".")[0]
        self.package = module if is_package else module.rpartition(".")[0]
        self.with_shapes = with_shapes
        self.lazy = lazy
        self.module = Module()

    def block(self, statements: Iterable[ast.stmt], *, top: bool = False) -> None:
        """Statements in order.

        At the top level a later binding replaces an earlier one; in a branch the first real one stays, so
        that `try: import X / except ImportError: X = None` is an import.
        """
        for statement in statements:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.bind(statement.name, "f", top=top)
                    if self.with_shapes and not _is_overload(statement):
                        self.module.shapes[statement.name] = function_shape(statement)
                case ast.ClassDef():
                    self.bind(statement.name, "c", top=top)
                    if self.with_shapes:
                        self.module.shapes.update(class_shapes(statement))
                case ast.Import():
                    for alias in statement.names:
                        self.import_module(alias, top=top)
                case ast.ImportFrom():
                    self.import_from(statement, top=top)
                case ast.Assign():
                    self.assign(statement, top=top)
                case ast.AnnAssign() if statement.value is not None or self.lazy:
                    self.targets(statement.target, top=top)
                case ast.AugAssign():
                    self.augment(statement)
                case ast.Delete():
                    for target in statement.targets:
                        if isinstance(target, ast.Name):
                            self.module.names.pop(target.id, None)
                case ast.If():
                    self.branch(statement)
                case ast.Try():
                    self.block(statement.body)
                    self.block(statement.orelse)
                    for handler in statement.handlers:
                        self.block(handler.body)
                    self.block(statement.finalbody)
                case ast.With():
                    for item in statement.items:
                        if item.optional_vars is not None:
                            self.targets(item.optional_vars, top=top)
                    self.block(statement.body)
                case ast.For():
                    self.targets(statement.target, top=top)
                    self.block(statement.body)
                case ast.While():
                    self.block(statement.body)
                case ast.Expr():
                    self.expression(statement.value)
                case _ if type(statement).__name__ == "TypeAlias":  # Python 3.12's `type X = ...`
                    self.targets(statement.name, top=top)  # type: ignore[attr-defined]
                case _:
                    pass

    def bind(self, name: str, value: str, *, top: bool) -> None:
        if name.startswith("__") and name != "__version__":
            return
        if top or self.module.names.get(name, "v") == "v":
            self.module.names[name] = value

    def branch(self, statement: ast.If) -> None:
        test = ast.unparse(statement.test)
        if "__name__ ==" in test:
            return
        if "TYPE_CHECKING" not in test:
            self.block(statement.body)
            self.block(statement.orelse)
            return
        negated = test.startswith("not ")
        running, checking = (
            (statement.body, statement.orelse) if negated else (statement.orelse, statement.body)
        )
        # What only the type checker sees can't be imported, except where a module's __getattr__ provides it.
        if self.lazy:
            self.block(checking)
        self.block(running)

    def import_module(self, alias: ast.alias, *, top: bool) -> None:
        inside = alias.name.partition(".")[0] == self.root
        if alias.asname:
            self.bind(alias.asname, f"{alias.name}:" if inside else "x", top=top)
        else:
            first = alias.name.partition(".")[0]
            self.bind(first, f"{first}:" if inside else "x", top=top)

    def import_from(self, statement: ast.ImportFrom, *, top: bool) -> None:
        source = statement.module or ""
        if statement.level:
            parts = self.package.split(".")
            base = ".".join(parts[: len(parts) - statement.level + 1])
            source = f"{base}.{source}" if source else base
        inside = source.partition(".")[0] == self.root
        for alias in statement.names:
            if alias.name == "*":
                if inside:
                    self.module.stars.append(source)
                else:
                    self.module.names[UNSEEN] = "x"
            else:
                value = f"{source}:{alias.name}" if inside else "x"
                self.bind(alias.asname or alias.name, value, top=top)

    def assign(self, statement: ast.Assign, *, top: bool) -> None:
        for target in statement.targets:
            if isinstance(target, ast.Name):
                if target.id == "__all__":
                    self.module.exported = _strings(statement.value)
                    continue
                self.bind(target.id, self.alias_of(statement.value) or "v", top=top)
            elif isinstance(target, ast.Subscript) and ast.unparse(target).startswith("globals()"):
                self.module.names[UNSEEN] = "x"
            else:
                self.targets(target, top=top)

    def alias_of(self, value: ast.expr) -> str | None:
        """What `X = Y` or `X = module.Y` stands for, where Y is known to come from this package."""
        if isinstance(value, ast.Name) and value.id in self.module.names:
            known = self.module.names[value.id]
            return f"{self.name}:{value.id}" if known in {"f", "c"} else known
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
            known = self.module.names.get(value.value.id, "")
            if known.endswith(":"):
                return f"{known}{value.attr}"
        return None

    def targets(self, target: ast.expr, *, top: bool) -> None:
        for node in ast.walk(target) if isinstance(target, ast.Tuple | ast.List) else (target,):
            if isinstance(node, ast.Name):
                self.bind(node.id, "v", top=top)

    def augment(self, statement: ast.AugAssign) -> None:
        if isinstance(statement.target, ast.Name) and statement.target.id == "__all__":
            self.module.exported = [*(self.module.exported or ()), *_strings(statement.value)]

    def expression(self, value: ast.expr) -> None:
        """`__all__.extend([...])`; `globals().update(...)`."""
        if isinstance(value, ast.Call):
            called = ast.unparse(value.func)
            if called in {"__all__.extend", "__all__.append"} and value.args:
                self.module.exported = [*(self.module.exported or ()), *_strings(value.args[0])]
            elif called.startswith("globals()"):
                self.module.names[UNSEEN] = "x"

    def globals_of_functions(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                for name in node.names:
                    self.bind(name, "v", top=False)

    def lazy_names(self, tree: ast.Module) -> None:
        """Names a module-level `__getattr__` provides, from the tables and comparisons it is written with.

        Understood are tables {name: ".module:attr"}, {name: "module"} and {submodule: [names]},
        `name == "X"`, `name in ("X", ...)` and `__all__`.
        """
        for statement in tree.body:
            table = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            if isinstance(table, ast.Dict):
                for key, value in zip(table.keys, table.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        for name, origin in _lazy_row(key.value, value, self.package, self.root):
                            self.bind(name, origin, top=False)
            if isinstance(statement, ast.FunctionDef) and statement.name == "__getattr__":
                for node in ast.walk(statement):
                    if isinstance(node, ast.Compare) and ast.unparse(node.left) == "name":
                        for name in _strings(node.comparators[0]):
                            self.bind(name, "v", top=False)
        for name in self.module.exported or ():
            self.bind(name, "v", top=False)


def _lazy_row(key: str, value: ast.expr, package: str, root: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        where, _, attribute = value.value.partition(":")
        module = f"{package}{where}" if where.startswith(".") else where
        inside = module.partition(".")[0] == root
        yield key, f"{module}:{attribute or key}" if inside else "v"
    elif isinstance(value, ast.List):
        for name in _strings(value):
            yield name, f"{package}.{key}:{name}"
    elif key.isidentifier():
        yield key, "v"


def _is_lazy(tree: ast.Module) -> bool:
    """Whether names may come from a module-level `__getattr__` or a lazy module object."""
    for node in tree.body:
        inner = [node, *(node.orelse if isinstance(node, ast.If) else ())]
        for statement in inner:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__getattr__":
                return True
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]).startswith(
                "sys.modules[__name__]"
            ):
                return True
    return False


def _is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("overload") for decorator in function.decorator_list)


def _strings(node: ast.expr) -> list[str]:
    """Every string constant in an expression, in order."""
    return [
        found.value
        for found in ast.walk(node)
        if isinstance(found, ast.Constant) and isinstance(found.value, str)
    ]
