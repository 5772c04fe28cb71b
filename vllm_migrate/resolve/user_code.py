"""Classes and functions of the user's own: what they derive from, hold, return and hand on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.alternatives import attribute_of_instance, one_of, real_values
from vllm_migrate.resolve.meaning import Forward, Kind, Meaning, UserClass, UserFunction
from vllm_migrate.resolve.syntax import FUNCTIONS, Binding, Function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.resolve.names import Names


class UserCode:
    """Answers for one file."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._functions: dict[ast.AST, UserFunction] = {}
        self._known_attributes: dict[tuple[ast.AST, str], Meaning | None] = {}

    def vllm_base(self, meaning: Meaning) -> Meaning | None:
        """The vLLM or TRL class a class of the user's derives from, as NAME with its canonical name."""
        if isinstance(meaning.user, UserClass):
            return Meaning(Kind.NAME, meaning.user.base, Certainty.LIKELY) if meaning.user.base else None
        if not isinstance(meaning.node, ast.ClassDef):
            return None
        for parent in meaning.node.bases:
            found = self._names.of(parent)
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
        found = self.attribute(meaning, name)
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
            found = self._names.annotations.of(function.returns)
            if found is not None:
                return found
        values = [
            node.value for node in self._names.syntax.within(function, ast.Return) if node.value is not None
        ]
        return one_of([self._names.of(v) for v in values], real_values(values))

    def _forwards(self, function: Function) -> Forward | None:
        """Where a function's `**kwargs` go: into a call, or by `setattr` into a sampling object."""
        if function.args.kwarg is None:
            return None
        rest = function.args.kwarg.arg
        parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        own = {p.arg for p in parameters}
        target, fixes = "", False
        calls = self._names.syntax.within(function, ast.Call)
        filled = {name for call in calls if (name := _filled_from(call, rest))}
        filled |= self._made_from(function, rest)
        for node in calls:
            for keyword in node.keywords:
                held = keyword.value.id if isinstance(keyword.value, ast.Name) else ""
                merged = not held and keyword.arg is None and _spreads(keyword.value, rest)
                if keyword.arg is None and (held == rest or held in filled or merged):
                    next_one = self._next(node)
                    target = target or next_one.target
                    fixed = [k.arg for k in node.keywords if k.arg]
                    own.update(fixed, next_one.own)
                    fixes = fixes or bool(fixed) or next_one.fixes or held != rest
            if _is_named(node.func, "setattr") and node.args:
                found = self._names.of(node.args[0])
                if found is not None and found.kind is Kind.INSTANCE and found.name == known.SAMPLING:
                    target = target or known.SAMPLING
            own.update(_taken_out(node, rest))
        return Forward(target, frozenset(own), fixes) if target else None

    def _made_from(self, function: Function, mapping: str) -> set[str]:
        """The names of a function's dictionaries that hold all of `mapping`: `merged = {**BASE, **kw}`."""
        return {
            node.targets[0].id
            for node in self._names.syntax.within(function, ast.Assign)
            if isinstance(node.targets[0], ast.Name)
            and not isinstance(node.value, ast.Name)
            and _spreads(node.value, mapping)
        }

    def _next(self, call: ast.Call) -> Forward:
        """What a call hands its `**` on to: something of vLLM's, or what another wrapper does with them."""
        target = self._names.invocations.target(call)
        if target:
            return Forward(target)
        callee = self._names.of(call.func)
        if callee is None or callee.kind not in (Kind.CLASS, Kind.FUNCTION):
            return Forward("")
        wrapper = self.function(callee) if callee.kind is Kind.FUNCTION else self.method(callee, "__init__")
        return (wrapper.forward if wrapper is not None else None) or Forward("")

    def attribute(self, base: Meaning, name: str) -> Meaning | None:
        """What an attribute of an object of the user's stands for."""
        if isinstance(base.user, UserClass):
            method = (base.user.methods or {}).get(name)
            if method is not None:
                return Meaning(Kind.FUNCTION, certainty=base.certainty, user=method)
            found = (base.user.attributes or {}).get(name)
            if found is not None:
                return found
            if base.user.base and name not in (base.user.methods or {}):
                return attribute_of_instance(Meaning(Kind.INSTANCE, base.user.base, Certainty.LIKELY), name)
            return None
        class_ = base.node
        if not isinstance(class_, ast.ClassDef):
            return None
        bindings = self._names.syntax.attribute_bindings.get(class_, {}).get(name)
        if bindings:
            found = self._attribute_of(class_, name, bindings)
            if found is not None and found.kind is Kind.FUNCTION and _is_property(found.node):
                return self.function(found).returns
            return found
        return self.inherited(base, name)

    def _attribute_of(self, class_: ast.ClassDef, name: str, bindings: Sequence[Binding]) -> Meaning | None:
        key = (class_, name)
        if key not in self._known_attributes:
            self._known_attributes[key] = None
            self._known_attributes[key] = self._names.bound(bindings)
        return self._known_attributes[key]

    def inherited(self, base: Meaning, name: str) -> Meaning | None:
        """What an attribute stands for that a class takes from its bases."""
        class_ = base.node
        if not isinstance(class_, ast.ClassDef):
            return None
        for parent in class_.bases:
            meaning = self._names.of(parent)
            if meaning is None or meaning.node is class_:
                continue
            if meaning.kind is Kind.CLASS:
                found = self.attribute(meaning, name)
            elif meaning.kind is Kind.NAME and known.is_known(meaning.name):
                instance = Meaning(Kind.INSTANCE, known.canonical(meaning.name), Certainty.LIKELY)
                found = attribute_of_instance(instance, name)
            else:
                continue
            if found is not None:
                return found
        return None


def _is_property(node: ast.AST | None) -> bool:
    return isinstance(node, FUNCTIONS) and any(
        getattr(d, "id", getattr(d, "attr", "")) in ("property", "cached_property")
        for d in node.decorator_list
    )


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _filled_from(node: ast.Call, mapping: str) -> str:
    """The dictionary that `name.update(mapping)` fills; "" for any other call."""
    func = node.func
    if (
        isinstance(func, ast.Attribute)
        and func.attr == "update"
        and isinstance(func.value, ast.Name)
        and len(node.args) == 1
        and _is_named(node.args[0], mapping)
    ):
        return func.value.id
    return ""


def _spreads(node: ast.expr, mapping: str) -> bool:
    """Whether a dictionary is made of all of `mapping`'s entries, and others."""
    if isinstance(node, ast.Name):
        return node.id == mapping
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return any(key is None and _spreads(value, mapping) for key, value in pairs)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _spreads(node.left, mapping) or _spreads(node.right, mapping)
    if isinstance(node, ast.Call) and _is_named(node.func, "dict"):
        spread = [*node.args, *(k.value for k in node.keywords if k.arg is None)]
        return any(_spreads(value, mapping) for value in spread)
    return False


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
