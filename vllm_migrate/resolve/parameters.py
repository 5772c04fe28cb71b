"""What a function's callers in the same file pass for a parameter without an annotation."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve.alternatives import real_values
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Binding, Function

_PASSED = frozenset({Kind.INSTANCE, Kind.MANY, Kind.ACTOR})


class Parameters:
    """Answers for one file."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._syntax = names.syntax

    def of(self, binding: Binding) -> Meaning | None:
        """What a parameter stands for.

        Callers in other files are seen where they hand over engines (`handed_over`), so it is likely at best;
        where callers disagree, it is a guess.
        """
        function, parameter = binding.statement, binding.node
        if not (isinstance(function, FUNCTIONS) and isinstance(parameter, ast.arg)):
            return None
        passed = (_passed(call, bound, function, parameter) for call, bound in self._calls(function))
        # A function that hands its own parameter on to itself says nothing new.
        values = [value for value in passed if value is not None and not self._is_own(value, binding)]
        meanings = [self._names.of(value) for value in values]
        elsewhere = self._handed(function, parameter) if self._names.handed else None
        if elsewhere is not None:
            meanings.append(elsewhere)
        found = next((m for m in meanings if m is not None and m.kind in _PASSED), None)
        if found is None:
            return None
        real = real_values(values) + (elsewhere is not None)
        agreeing = sum(m is not None and (m.kind, m.name) == (found.kind, found.name) for m in meanings)
        certainty = Certainty.LIKELY if agreeing >= real else Certainty.GUESS
        return found if found.certainty is Certainty.GUESS else replace(found, certainty=certainty)

    def _handed(self, function: Function, parameter: ast.arg) -> Meaning | None:
        """What other modules pass to a function or a class of this one for the parameter."""
        name, bound = function.name, 0
        class_ = self._syntax.parents.get(function)
        if isinstance(class_, ast.ClassDef):
            if function.name != "__init__":
                return None
            name, bound = class_.name, 1
        handed = self._names.handed
        places = [*function.args.posonlyargs, *function.args.args]
        by_place = handed.get((name, places.index(parameter) - bound)) if parameter in places else None
        return by_place or handed.get((name, parameter.arg))

    def _is_own(self, value: ast.expr, binding: Binding) -> bool:
        if not isinstance(value, ast.Name):
            return False
        found = self._syntax.lookup(value.id, value)
        return found is not None and binding in found[1]

    def _calls(self, function: Function) -> Iterator[tuple[ast.Call, bool]]:
        """The calls of a function in this file, each with whether an object comes before its arguments."""
        class_ = self._syntax.parents.get(function)
        if isinstance(class_, ast.ClassDef):
            static = any(getattr(d, "id", "") == "staticmethod" for d in function.decorator_list)
            for call in self._method_calls.get(function.name, ()):
                if self._syntax.self_attribute(call.func) is class_:
                    yield call, not static
            return
        for name in self._syntax.loads.get(function.name, ()):
            around = self._syntax.parents[name]
            if isinstance(around, ast.Call) and around.func is name:
                found = self._syntax.lookup(function.name, name)
                if found is not None and any(one.node is function for one in found[1]):
                    yield around, False

    @cached_property
    def _method_calls(self) -> dict[str, list[ast.Call]]:
        table: defaultdict[str, list[ast.Call]] = defaultdict(list)
        for call in self._syntax.all(ast.Call):
            if isinstance(call.func, ast.Attribute):
                table[call.func.attr].append(call)
        return table


def _passed(call: ast.Call, bound: bool, function: Function, parameter: ast.arg) -> ast.expr | None:
    """The argument that a call passes for a parameter, where that can be told."""
    for keyword in call.keywords:
        if keyword.arg == parameter.arg:
            return keyword.value
    places = [*function.args.posonlyargs, *function.args.args]
    if parameter not in places:
        return None
    place = places.index(parameter) - bound
    before = call.args[: place + 1]
    if not 0 <= place < len(call.args) or any(isinstance(argument, ast.Starred) for argument in before):
        return None
    return call.args[place]
