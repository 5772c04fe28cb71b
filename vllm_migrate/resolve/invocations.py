"""What calls give back and what they reach."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.alternatives import element_of, result_of
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.resolve.names import Names

# Calls that give back their first argument, or its elements.
PASS_THROUGH = frozenset(
    ["list", "sorted", "tuple", "reversed", "iter", "tqdm", "deepcopy", "copy", "cast", "next", "get"]
)
# Calls that give back the module they are given the name of: importlib's, and what projects call their own.
_IMPORTERS = frozenset(["import_module", "try_import", "lazy_import", "optional_import", "safe_import"])


class Invocations:
    """Answers for one file."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def of(self, node: ast.Call) -> Meaning | None:
        """What a call gives back."""
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            found = self._names.syntax.method_class(node)
            return Meaning(Kind.SUPER, node=found[0]) if found else None
        module = _imported(node)
        if module is not None:
            return module
        callee = self._names.of(node.func)
        if callee is None:
            return self._passed_through(node)
        if callee.kind is Kind.NAME:
            return self._called_name(callee, node)
        if callee.kind in (Kind.CONSTRUCTOR, Kind.PARTIAL):
            kind = Kind.ACTOR if callee.kind is Kind.CONSTRUCTOR else Kind.INSTANCE
            return Meaning(kind, callee.name, callee.certainty)
        if callee.kind is Kind.METHOD:
            return result_of(callee)
        if callee.kind is Kind.CLASS:
            return Meaning(Kind.OBJECT, callee.name, callee.certainty, callee.node, callee.user)
        if callee.kind is Kind.REMOTE:
            return callee  # LLM_remote.options(...)
        if callee.kind is Kind.REMOTE_CLASS:
            return callee if isinstance(node.func, ast.Attribute) and node.func.attr == "options" else None
        if callee.kind is Kind.FUNCTION:
            return self._names.user.function(callee).returns
        return None

    def target(self, node: ast.Call) -> str:
        """The canonical target of a call on something of vLLM's or TRL's, "" for any other call."""
        callee = self._names.of(node.func)
        if callee is None:
            return ""
        if callee.kind is Kind.NAME:
            return known.canonical(callee.name) if known.is_known(callee.name) else ""
        if callee.kind in (Kind.METHOD, Kind.CONSTRUCTOR, Kind.PARTIAL):
            return callee.name
        return ""

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
        inner = self._names.of(node.args[0]) if node.args else None
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
        name = last_name(func)
        if name not in PASS_THROUGH or not node.args:
            return None
        if name == "cast":
            return self._names.annotations.of(node.args[0])
        found = self._names.of(node.args[0])
        if found is None or found.kind not in (Kind.MANY, Kind.INSTANCE):
            return None
        return element_of(found) if name == "next" and found.kind is Kind.MANY else found


def _imported(node: ast.Call) -> Meaning | None:
    """The module of `importlib.import_module("vllm")`; likely where a function of that name is the user's."""
    func = node.func
    name = last_name(func)
    if name not in _IMPORTERS or not node.args or not isinstance(node.args[0], ast.Constant):
        return None
    module = node.args[0].value
    if not isinstance(module, str) or not known.is_known(module):
        return None
    return Meaning(Kind.NAME, module, Certainty.CERTAIN if name == "import_module" else Certainty.LIKELY)
