"""Value flow inside one file: what does this expression stand for?

Flow-insensitive: a name stands for everything it is ever bound to in its scope. Where one of several bindings is of
interest, that one is the answer and it is only likely. `None`, `object` and other placeholders don't count as bindings.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Forward, Kind, Meaning, UserClass, UserFunction
from vllm_migrate.resolve.syntax import FUNCTIONS, Binding, Function, Syntax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vllm_migrate.resolve.project import ProjectIndex

# Calls that give back (elements of) their first argument.
_PASS_THROUGH = {
    "list",
    "sorted",
    "tuple",
    "reversed",
    "iter",
    "tqdm",
    "deepcopy",
    "copy",
    "cast",
    "next",
    "get",
}
_PLACEHOLDER_NAMES = {"None", "object", "Any"}
_MANY_ANNOTATIONS = {
    "List",
    "list",
    "Sequence",
    "Iterable",
    "Iterator",
    "AsyncIterator",
    "AsyncGenerator",
    "Tuple",
}
_WRAPPING_ANNOTATIONS = {"Optional", "Union", "Annotated", "Final", "ClassVar"}


class Names:
    """Answers for one file.

    Args:
        package: the dotted package the file lies in, for relative imports; "" where unknown.
    """

    def __init__(self, syntax: Syntax, package: str, index: ProjectIndex | None) -> None:
        self.syntax = syntax
        self._package = package
        self._index = index
        self._memo: dict[ast.AST, Meaning | None] = {}
        self._names: dict[tuple[ast.AST, str], Meaning | None] = {}
        self._seen: dict[tuple[ast.AST, str], Meaning | None] = {}
        self._functions: dict[ast.AST, UserFunction] = {}
        self._stars = self._star_modules()

    # Modules and imports

    @property
    def has_stars(self) -> bool:
        """Whether a star import may bind any name."""
        return bool(self._stars)

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
            return self._from_module(self.module_of(statement), alias.name)
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

    def of(self, node: ast.AST) -> Meaning | None:
        """What an expression stands for; None where that is nothing of interest."""
        if node.__class__ is ast.Name:
            return self._name(node)  # type: ignore[arg-type]  # just looked
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

    def _same_as_value(self, node: ast.Await | ast.NamedExpr | ast.Starred) -> Meaning | None:
        return self.of(node.value)

    def _subscript(self, node: ast.Subscript) -> Meaning | None:
        base = self.of(node.value)
        if base is None or base.kind is not Kind.MANY:
            return None
        return base if isinstance(node.slice, ast.Slice) else _element(base)

    def _either(self, node: ast.IfExp) -> Meaning | None:
        return _one_of([self.of(node.body), self.of(node.orelse)], _real([node.body, node.orelse]))

    def _any_of(self, node: ast.BoolOp) -> Meaning | None:
        return _one_of([self.of(v) for v in node.values], _real(node.values))

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> Meaning | None:
        return _many(self.of(node.elt))

    def _list(self, node: ast.List) -> Meaning | None:
        return _many(self.of(node.elts[0])) if node.elts else None

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
        real = sum(1 for b in bindings if not _is_placeholder(b))
        return _one_of(meanings, real)

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
            return self._self(binding)
        meaning = self.of(node) if binding.kind in ("value", "element", "enter") else None
        if meaning is not None and binding.kind == "element":
            meaning = _element(meaning) if meaning.kind is Kind.MANY else self._zipped(node, binding.path)
        elif meaning is None and binding.kind == "element":
            meaning = self._zipped(node, binding.path)
        elif binding.path:
            meaning = None
        if meaning is None and binding.annotation is not None:
            return self.annotated(binding.annotation)
        return meaning

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
            return self._zipped(arguments[0], path) if node.func.id in _PASS_THROUGH and arguments else None
        if not 0 <= index < len(arguments):
            return None
        inner = self.of(arguments[index])
        if inner is not None and inner.kind is Kind.MANY and len(path) == 1:
            return _element(inner)
        return self._zipped(arguments[index], path[1:]) if len(path) > 1 else None

    # Attributes

    def attribute(self, base: Meaning, name: str) -> Meaning | None:
        """What `base.name` stands for."""
        kind = base.kind
        if kind is Kind.NAME:
            return self._of_name(base, name)
        if kind is Kind.INSTANCE:
            return _of_instance(base, name)
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
            return self._of_object(base, name)
        if kind is Kind.SUPER:
            inherited = self.vllm_base(base)
            if inherited is None:
                return self._of_parents(base, name)
            if name == "__init__":
                return Meaning(Kind.NAME, inherited.name, inherited.certainty)
            return _of_instance(Meaning(Kind.INSTANCE, inherited.name, inherited.certainty), name)
        return None

    def _of_name(self, base: Meaning, name: str) -> Meaning | None:
        if self._index is not None and not known.is_known(base.name):
            found = self._index.resolve(base.name, name)
            if found is not None:
                return found
        return Meaning(Kind.NAME, f"{base.name}.{name}", base.certainty)

    def _of_object(self, base: Meaning, name: str) -> Meaning | None:
        if isinstance(base.user, UserClass):
            method = (base.user.methods or {}).get(name)
            if method is not None:
                return Meaning(Kind.FUNCTION, certainty=base.certainty, user=method)
            found = (base.user.attributes or {}).get(name)
            if found is not None:
                return found
            if base.user.base and name not in (base.user.methods or {}):
                return _of_instance(Meaning(Kind.INSTANCE, base.user.base, Certainty.LIKELY), name)
            return None
        class_ = base.node
        if not isinstance(class_, ast.ClassDef):
            return None
        bindings = self.syntax.attribute_bindings.get(class_, {}).get(name)
        if bindings:
            found = self._attribute_of(class_, name, bindings)
            if found is not None and found.kind is Kind.FUNCTION and _is_property(found.node):
                return self.function(found).returns
            return found
        return self._of_parents(base, name)

    def _attribute_of(self, class_: ast.ClassDef, name: str, bindings: Sequence[Binding]) -> Meaning | None:
        key = (class_, name)
        if key not in self._names:
            self._names[key] = None
            self._names[key] = self.bound(bindings)
        return self._names[key]

    def _of_parents(self, base: Meaning, name: str) -> Meaning | None:
        class_ = base.node
        if not isinstance(class_, ast.ClassDef):
            return None
        for parent in class_.bases:
            meaning = self.of(parent)
            if meaning is None or meaning.node is class_:
                continue
            if meaning.kind is Kind.CLASS:
                found = self._of_object(meaning, name)
            elif meaning.kind is Kind.NAME and known.is_known(meaning.name):
                instance = Meaning(Kind.INSTANCE, known.canonical(meaning.name), Certainty.LIKELY)
                found = _of_instance(instance, name)
            else:
                continue
            if found is not None:
                return found
        return None

    # Calls

    def _call(self, node: ast.Call) -> Meaning | None:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            found = self.syntax.method_class(node)
            return Meaning(Kind.SUPER, node=found[0]) if found else None
        callee = self.of(node.func)
        if callee is None:
            return self._passed_through(node)
        if callee.kind is Kind.NAME:
            return self._called_name(callee, node)
        if callee.kind in (Kind.CONSTRUCTOR, Kind.PARTIAL):
            kind = Kind.ACTOR if callee.kind is Kind.CONSTRUCTOR else Kind.INSTANCE
            return Meaning(kind, callee.name, callee.certainty)
        if callee.kind is Kind.METHOD:
            return _result(callee)
        if callee.kind is Kind.CLASS:
            return Meaning(Kind.OBJECT, callee.name, callee.certainty, callee.node, callee.user)
        if callee.kind is Kind.REMOTE:
            return callee  # LLM_remote.options(...)
        if callee.kind is Kind.REMOTE_CLASS:
            return callee if isinstance(node.func, ast.Attribute) and node.func.attr == "options" else None
        if callee.kind is Kind.FUNCTION:
            return self.function(callee).returns
        return None

    def _called_name(self, callee: Meaning, node: ast.Call) -> Meaning | None:
        name = callee.name
        if name == "ray.remote" or name.endswith("functools.partial") or name == "partial":
            return self._wrapped(name, node)
        if not known.is_known(name):
            return self._passed_through(node)
        target = known.canonical(name)
        if known.is_class_name(target):
            return Meaning(Kind.INSTANCE, target, callee.certainty)
        class_, _, method = target.rpartition(".")
        if method in known.FACTORIES and known.is_class_name(class_):
            return Meaning(Kind.INSTANCE, class_, callee.certainty)
        return None

    def _wrapped(self, wrapper: str, node: ast.Call) -> Meaning | None:
        inner = self.of(node.args[0]) if node.args else None
        if inner is None:
            return Meaning(Kind.NAME, "ray.remote") if wrapper == "ray.remote" and not node.args else None
        if inner.kind is Kind.NAME and known.is_known(inner.name):
            kind = Kind.REMOTE if wrapper == "ray.remote" else Kind.PARTIAL
            return Meaning(kind, known.canonical(inner.name), inner.certainty)
        if wrapper == "ray.remote" and inner.kind is Kind.CLASS:
            return Meaning(Kind.REMOTE_CLASS, inner.name, inner.certainty, inner.node, inner.user)
        if wrapper != "ray.remote":
            return inner if inner.kind in (Kind.CLASS, Kind.METHOD) else None
        return None

    def _passed_through(self, node: ast.Call) -> Meaning | None:
        """`list(x)`, `copy.deepcopy(x)`, `ray.get(x)`, `typing.cast(T, x)` give x."""
        func = node.func
        name = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
        if name not in _PASS_THROUGH or not node.args:
            return None
        if name == "cast":
            return self.annotated(node.args[0])
        found = self.of(node.args[0])
        if found is None or found.kind not in (Kind.MANY, Kind.INSTANCE):
            return None
        return _element(found) if name == "next" and found.kind is Kind.MANY else found

    def _is_ray_remote(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            node = node.func
        return self.qualified(node) == "ray.remote"

    # Classes and functions of the user's

    def vllm_base(self, meaning: Meaning) -> Meaning | None:
        """The vLLM or TRL class a class of the user's derives from, as NAME with its canonical name."""
        if isinstance(meaning.user, UserClass):
            return Meaning(Kind.NAME, meaning.user.base, Certainty.LIKELY) if meaning.user.base else None
        if not isinstance(meaning.node, ast.ClassDef):
            return None
        for parent in meaning.node.bases:
            found = self.of(parent)
            if found is None or found.node is meaning.node:
                continue
            if found.kind is Kind.NAME and known.is_known(found.name):
                return Meaning(Kind.NAME, known.canonical(found.name), found.certainty)
            if found.kind is Kind.CLASS:
                inherited = self.vllm_base(found)
                if inherited is not None:
                    return inherited
        return None

    def method(self, meaning: Meaning, name: str) -> UserFunction | None:
        """A method a class of the user's defines itself or takes from another of the user's."""
        if isinstance(meaning.user, UserClass):
            return (meaning.user.methods or {}).get(name)
        found = self._of_object(meaning, name)
        return self.function(found) if found is not None and found.kind is Kind.FUNCTION else None

    def function(self, meaning: Meaning) -> UserFunction:
        """What a function of the user's returns and hands on."""
        if isinstance(meaning.user, UserFunction):
            return meaning.user
        node = meaning.node
        if not isinstance(node, FUNCTIONS):
            return UserFunction()
        if node not in self._functions:
            self._functions[node] = UserFunction()
            self._functions[node] = UserFunction(self._returns(node), self._forwards(node))
        return self._functions[node]

    def _returns(self, function: Function) -> Meaning | None:
        if function.returns is not None:
            found = self.annotated(function.returns)
            if found is not None:
                return found
        values = [
            node.value
            for node in self.syntax.all(ast.Return)
            if node.value is not None and self.syntax.function(node) is function
        ]
        return _one_of([self.of(v) for v in values], _real(values))

    def _forwards(self, function: Function) -> Forward | None:
        """Where a function's `**kwargs` go: into a call, or by `setattr` into a sampling object."""
        if function.args.kwarg is None:
            return None
        rest = function.args.kwarg.arg
        parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        own = {p.arg for p in parameters}
        target, fixes = "", False
        for node in self.syntax.all(ast.Call):
            if self.syntax.function(node) is not function:
                continue
            for keyword in node.keywords:
                if keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == rest:
                    target = target or self.target(node)
                    fixed = [k.arg for k in node.keywords if k.arg]
                    own.update(fixed)
                    fixes = fixes or bool(fixed)
            if _is_named(node.func, "setattr") and node.args:
                found = self.of(node.args[0])
                if found is not None and found.kind is Kind.INSTANCE and found.name == known.SAMPLING:
                    target = target or known.SAMPLING
            own.update(_taken_out(node, rest))
        return Forward(target, frozenset(own), fixes) if target else None

    def target(self, node: ast.Call) -> str:
        """The canonical target of a call on something of vLLM's or TRL's, "" for any other call."""
        callee = self.of(node.func)
        if callee is None:
            return ""
        if callee.kind is Kind.NAME:
            return known.canonical(callee.name) if known.is_known(callee.name) else ""
        if callee.kind in (Kind.METHOD, Kind.CONSTRUCTOR, Kind.PARTIAL):
            return callee.name
        return ""

    # Annotations

    def annotated(self, node: ast.expr) -> Meaning | None:
        """An object of the annotated type; likely, since annotations bind nobody."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._quoted(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self.annotated(node.left) or self.annotated(node.right)
        if isinstance(node, ast.Subscript):
            head = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            found = next((m for m in map(self.annotated, inner) if m is not None), None)
            if head in _MANY_ANNOTATIONS:
                return _many(found)
            return found if head in _WRAPPING_ANNOTATIONS else None
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        meaning = self.of(node)
        if meaning is None:
            return None
        if meaning.kind is Kind.NAME and known.is_known(meaning.name) and known.is_class_name(meaning.name):
            return Meaning(Kind.INSTANCE, known.canonical(meaning.name), Certainty.LIKELY)
        if meaning.kind is Kind.CLASS:
            return Meaning(Kind.OBJECT, meaning.name, Certainty.LIKELY, meaning.node, meaning.user)
        return None

    def _quoted(self, node: ast.Constant) -> Meaning | None:
        try:
            inner = ast.parse(str(node.value), mode="eval").body
        except (SyntaxError, ValueError):
            return None
        self.syntax.adopt(node, inner)
        return self.annotated(inner)


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


def _one_of(meanings: Sequence[Meaning | None], real: int) -> Meaning | None:
    """The first meaning of interest; only likely where others disagree."""
    found = [m for m in meanings if m is not None]
    if not found:
        return None
    of_interest = [m for m in found if _interest(m)] or found
    first = next((m for m in of_interest if m.kind in (Kind.NAME, Kind.INSTANCE)), of_interest[0])
    same = sum(1 for m in of_interest if (m.kind, m.name, m.node) == (first.kind, first.name, first.node))
    return first if same >= real else first.likely()


def _interest(meaning: Meaning) -> bool:
    return meaning.kind is not Kind.NAME or known.is_known(meaning.name)


def _real(nodes: Sequence[ast.expr]) -> int:
    return sum(1 for node in nodes if not _is_placeholder_value(node))


def _is_placeholder(binding: Binding) -> bool:
    if binding.kind == "unknown":
        return isinstance(binding.node, ast.AnnAssign)
    return isinstance(binding.node, ast.expr) and _is_placeholder_value(binding.node)


def _is_placeholder_value(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None or node.value is False
    if isinstance(node, (ast.List, ast.Dict)):
        return not (node.elts if isinstance(node, ast.List) else node.keys)
    return isinstance(node, ast.Name) and node.id in _PLACEHOLDER_NAMES


def _of_instance(base: Meaning, name: str) -> Meaning | None:
    qualified = f"{base.name}.{name}"
    member = known.MEMBERS.get(qualified)
    if member is not None:
        return Meaning(Kind(member[0]), member[1], base.certainty)
    if base.name in known.ENGINES and (name in known.INSIDES or name.endswith("_config")):
        return None
    if base.name in known.ENGINES or (base.name == known.SAMPLING and qualified in known.RESULTS):
        return Meaning(Kind.METHOD, qualified, base.certainty)
    return None


def _result(method: Meaning) -> Meaning | None:
    found = known.RESULTS.get(method.name)
    return Meaning(Kind(found[0]), found[1], method.certainty) if found else None


def _element(meaning: Meaning) -> Meaning:
    return Meaning(Kind.INSTANCE, meaning.name, meaning.certainty)


def _many(meaning: Meaning | None) -> Meaning | None:
    if meaning is None or meaning.kind not in (Kind.INSTANCE, Kind.MANY):
        return None
    return Meaning(Kind.MANY, meaning.name, meaning.certainty)


def _is_property(node: ast.AST | None) -> bool:
    return isinstance(node, FUNCTIONS) and any(
        getattr(d, "id", getattr(d, "attr", "")) in ("property", "cached_property")
        for d in node.decorator_list
    )


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _taken_out(node: ast.Call, mapping: str) -> set[str]:
    """The key that `mapping.pop("key")` takes out."""
    func = node.func
    if (
        isinstance(func, ast.Attribute)
        and func.attr == "pop"
        and _is_named(func.value, mapping)
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return {str(node.args[0].value)}
    return set()
