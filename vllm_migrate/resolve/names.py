"""Value flow inside one file: what does this expression stand for?

Flow-insensitive: a name stands for everything it is ever bound to in its scope. Where one of several
bindings is of interest, that one is the answer and it is only likely. `None`, `object` and other
placeholders don't count as bindings.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.alternatives import (
    attribute_of_instance,
    element_of,
    is_placeholder,
    many_of,
    one_of,
    real_values,
)
from vllm_migrate.resolve.annotations import Annotations
from vllm_migrate.resolve.invocations import PASS_THROUGH, Invocations
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.parameters import Parameters
from vllm_migrate.resolve.syntax import FUNCTIONS, Binding, Syntax
from vllm_migrate.resolve.user_code import UserCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vllm_migrate.resolve.project import ProjectIndex


class Names:
    """Answers for one file.

    Args:
        package: the dotted package the file lies in, for relative imports; "" where unknown.
        handed: the engines that other modules hand to this one's functions and classes, by the name of
            what they call and the argument's index or keyword.
    """

    def __init__(
        self,
        syntax: Syntax,
        package: str,
        index: ProjectIndex | None,
        handed: Mapping[tuple[str, int | str], Meaning] | None = None,
    ) -> None:
        self.syntax = syntax
        self.handed = handed or {}
        self._package = package
        self._index = index
        self._memo: dict[ast.AST, Meaning | None] = {}
        self._names: dict[tuple[ast.AST, str], Meaning | None] = {}
        self._seen: dict[tuple[ast.AST, str], Meaning | None] = {}
        self.user = UserCode(self)
        self.invocations = Invocations(self)
        self.annotations = Annotations(self)
        self._parameters = Parameters(self)
        self._stars = self._star_modules()

    # Modules and imports

    @property
    def has_stars(self) -> bool:
        """Whether a star import may bind any name."""
        return bool(self._stars)

    @property
    def star_modules(self) -> tuple[str, ...]:
        """The modules that star imports take names from."""
        return tuple(self._stars)

    def module_of(self, node: ast.ImportFrom) -> str:
        """The absolute module a `from` import takes its names from."""
        if not node.level:
            return node.module or ""
        parts = self._package.split(".") if self._package else []
        parts = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
        return ".".join([*parts, node.module] if node.module else parts)

    def _star_modules(self) -> list[str]:
        return [
            self.module_of(node)
            for node in self.syntax.all(ast.ImportFrom)
            if any(alias.name == "*" for alias in node.names)
        ]

    def imported(self, statement: ast.AST, alias: ast.alias) -> Meaning | None:
        """What an import binds its name to."""
        if isinstance(statement, ast.ImportFrom):
            module = self.module_of(statement)
            found = self._from_module(module, alias.name)
            if statement.level and found is not None and known.is_known(found.name):
                own = f"{module}.{alias.name}" if module else alias.name
                return None if found.name == own else found  # a neighbour that is called vllm
            return found
        assert isinstance(statement, ast.Import)  # noqa: S101 (an alias stands in one of the two)
        return Meaning(Kind.NAME, alias.name if alias.asname else alias.name.partition(".")[0])

    def _from_module(self, module: str, name: str) -> Meaning | None:
        if self._index is not None:
            found = self._index.resolve(module, name)
            if found is not None or self._index.is_own(module):
                return found
        return Meaning(Kind.NAME, f"{module}.{name}" if module else name)

    def star_exports(self, module: str) -> Mapping[str, Meaning]:
        """What `from module import *` brings that leads to vLLM or TRL."""
        return self._index.exports(module) if self._index is not None else {}

    # Expressions

    def is_own(self, module: str) -> bool:
        """Whether a module lies in a package that the project itself is."""
        return self._index is not None and self._index.is_own(module)

    def of(self, node: ast.AST) -> Meaning | None:
        """What an expression stands for; None where that is nothing of interest."""
        if node.__class__ is ast.Name:
            return self._name(node)
        try:
            return self._memo[node]
        except KeyError:
            self._memo[node] = None  # a value that is defined by itself has no meaning
            found = self._memo[node] = self._infer(node)
            return found

    def qualified(self, node: ast.AST) -> str:
        """The qualified name of an expression that is one, else ""."""
        meaning = self.of(node)
        return meaning.name if meaning is not None and meaning.kind is Kind.NAME else ""

    def _infer(self, node: ast.AST) -> Meaning | None:
        infer = _BY_KIND.get(node.__class__)
        return infer(self, node) if infer is not None else None

    def _attribute(self, node: ast.Attribute) -> Meaning | None:
        base = self.of(node.value)
        return None if base is None else self.attribute(base, node.attr)

    def _call(self, node: ast.Call) -> Meaning | None:
        return self.invocations.of(node)

    def _same_as_value(self, node: ast.Await | ast.NamedExpr | ast.Starred) -> Meaning | None:
        return self.of(node.value)

    def _subscript(self, node: ast.Subscript) -> Meaning | None:
        base = self.of(node.value)
        if base is None or base.kind is not Kind.MANY:
            return None
        return base if isinstance(node.slice, ast.Slice) else element_of(base)

    def _either(self, node: ast.IfExp) -> Meaning | None:
        return one_of([self.of(node.body), self.of(node.orelse)], real_values([node.body, node.orelse]))

    def _any_of(self, node: ast.BoolOp) -> Meaning | None:
        return one_of([self.of(v) for v in node.values], real_values(node.values))

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> Meaning | None:
        return many_of(self.of(node.elt))

    def _list(self, node: ast.List) -> Meaning | None:
        return many_of(self.of(node.elts[0])) if node.elts else None

    def _name(self, node: ast.Name) -> Meaning | None:
        place = (self.syntax.scope(node), node.id)
        try:
            return self._seen[place]
        except KeyError:
            self._seen[place] = None
            found = self._seen[place] = self._visible(node)
            return found

    def _visible(self, node: ast.Name) -> Meaning | None:
        found = self.syntax.lookup(node.id, node)
        if found is None:
            return self._from_star(node.id)
        scope, bindings = found
        key = (scope, node.id)
        if key not in self._names:
            self._names[key] = None
            self._names[key] = self.bound(bindings)
        return self._names[key]

    def worth_following(self) -> Iterator[str]:
        """Names that stand, in some scope of the file, for something under vLLM or TRL."""
        for scope, bindings in self.syntax.bindings.items():
            for name, found in bindings.items():
                if all(b.kind in ("parameter", "function", "unknown") for b in found):
                    continue
                key = (scope, name)
                if key not in self._names:
                    self._names[key] = None
                    self._names[key] = self.bound(found)
                meaning = self._names[key]
                if meaning is not None and meaning.kind is Kind.NAME:
                    yield name

    def _from_star(self, name: str) -> Meaning | None:
        for module in self._stars:
            if self._index is not None:
                found = self._index.resolve(module, name)
                if found is not None:
                    return found.likely()
            if known.is_known(module) and name[:1].isupper():
                return Meaning(Kind.NAME, f"{module}.{name}", Certainty.LIKELY)
        return None

    def bound(self, bindings: Sequence[Binding]) -> Meaning | None:
        """What several bindings of one name come to."""
        meanings = [self._binding(b) for b in bindings]
        real = sum(1 for b in bindings if not is_placeholder(b))
        return one_of(meanings, real)

    def _binding(self, binding: Binding) -> Meaning | None:
        node = binding.node
        if binding.kind == "import":
            assert isinstance(node, ast.alias)  # noqa: S101 (that is what import bindings hold)
            return self.imported(binding.statement, node)
        if binding.kind == "class":
            assert isinstance(node, ast.ClassDef)  # noqa: S101 (same)
            remote = any(self._is_ray_remote(d) for d in node.decorator_list)
            return Meaning(Kind.REMOTE_CLASS if remote else Kind.CLASS, node.name, node=node)
        if binding.kind == "function":
            return Meaning(Kind.FUNCTION, node=node)
        if binding.kind == "parameter" and binding.annotation is None:
            return self._self(binding) or self._parameters.of(binding)
        meaning = self.of(node) if binding.kind in ("value", "element", "enter") else None
        if meaning is not None and binding.kind == "element":
            meaning = element_of(meaning) if meaning.kind is Kind.MANY else self._zipped(node, binding.path)
        elif meaning is None and binding.kind == "element":
            meaning = self._zipped(node, binding.path)
        elif binding.path:
            meaning = None
        if meaning is None and binding.annotation is not None:
            return self.annotations.of(binding.annotation)
        return meaning

    def _is_ray_remote(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            node = node.func
        return self.qualified(node) == "ray.remote"

    def _self(self, binding: Binding) -> Meaning | None:
        """The first parameter of a method is an object of its class."""
        method = binding.statement
        class_ = self.syntax.parents.get(method)
        if not (isinstance(method, FUNCTIONS) and isinstance(class_, ast.ClassDef)):
            return None
        parameters = [*method.args.posonlyargs, *method.args.args]
        decorators = {getattr(d, "id", "") for d in method.decorator_list}
        if not parameters or parameters[0] is not binding.node or "staticmethod" in decorators:
            return None
        return Meaning(Kind.CLASS if "classmethod" in decorators else Kind.OBJECT, class_.name, node=class_)

    def _zipped(self, node: ast.AST, path: tuple[int, ...]) -> Meaning | None:
        """An element of `zip(a, b)` or `enumerate(a)`."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and path):
            return None
        arguments = node.args
        index = path[0]
        if node.func.id == "enumerate":
            index -= 1
        elif node.func.id != "zip":
            return self._zipped(arguments[0], path) if node.func.id in PASS_THROUGH and arguments else None
        if not 0 <= index < len(arguments):
            return None
        inner = self.of(arguments[index])
        if inner is not None and inner.kind is Kind.MANY and len(path) == 1:
            return element_of(inner)
        return self._zipped(arguments[index], path[1:]) if len(path) > 1 else None

    # Attributes

    def attribute(self, base: Meaning, name: str) -> Meaning | None:
        """What `base.name` stands for."""
        kind = base.kind
        if kind is Kind.NAME:
            return self._of_name(base, name)
        if kind is Kind.INSTANCE:
            return attribute_of_instance(base, name)
        if kind is Kind.REMOTE:
            if name == "options":
                return base
            return Meaning(Kind.CONSTRUCTOR, base.name, base.certainty) if name == "remote" else None
        if kind is Kind.ACTOR:
            return Meaning(Kind.ACTOR_METHOD, f"{base.name}.{name}", base.certainty)
        if kind is Kind.ACTOR_METHOD:
            return Meaning(Kind.METHOD, base.name, base.certainty) if name == "remote" else base
        if kind is Kind.REMOTE_CLASS:
            return base if name in ("options", "remote") else None
        if kind in (Kind.OBJECT, Kind.CLASS):
            return self.user.attribute(base, name)
        if kind is Kind.SUPER:
            inherited = self.user.vllm_base(base)
            if inherited is None:
                return self.user.inherited(base, name)
            if name == "__init__":
                return Meaning(Kind.NAME, inherited.name, inherited.certainty)
            return attribute_of_instance(Meaning(Kind.INSTANCE, inherited.name, inherited.certainty), name)
        return None

    def _of_name(self, base: Meaning, name: str) -> Meaning | None:
        if self._index is not None and not known.is_known(base.name):
            found = self._index.resolve(base.name, name)
            if found is not None:
                return found
        return Meaning(Kind.NAME, f"{base.name}.{name}", base.certainty)


_BY_KIND: dict[type[ast.AST], Callable[[Names, Any], Meaning | None]] = {
    ast.Attribute: Names._attribute,  # noqa: SLF001 (the class's own table)
    ast.Call: Names._call,  # noqa: SLF001 (same)
    ast.Await: Names._same_as_value,  # noqa: SLF001 (same)
    ast.NamedExpr: Names._same_as_value,  # noqa: SLF001 (same)
    ast.Starred: Names._same_as_value,  # noqa: SLF001 (same)
    ast.Subscript: Names._subscript,  # noqa: SLF001 (same)
    ast.IfExp: Names._either,  # noqa: SLF001 (same)
    ast.BoolOp: Names._any_of,  # noqa: SLF001 (same)
    ast.ListComp: Names._comprehension,  # noqa: SLF001 (same)
    ast.GeneratorExp: Names._comprehension,  # noqa: SLF001 (same)
    ast.List: Names._list,  # noqa: SLF001 (same)
}
