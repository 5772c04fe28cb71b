"""What a parameter is given by those who call its function."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.resolve.flow import settings_files
from vllm_migrate.resolve.flow.objects import instance
from vllm_migrate.resolve.flow.tables import item, merged, spread
from vllm_migrate.resolve.flow.values import Definition, Expression, Table, Unknown, assuming
from vllm_migrate.resolve.syntax import FUNCTIONS, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.resolve.flow.follow import Follower
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Held, Value
    from vllm_migrate.resolve.syntax import Function

_DEEPEST = 3  # no project derives deeper
_MOST = 12  # callers looked at: a helper that the whole project calls says nothing about one engine


class Callers:
    """Answers for one project."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._known: dict[ast.AST, list[tuple[Module, ast.Call, int]]] = {}

    def given(self, module: Module, function: ast.AST, parameter: ast.arg) -> tuple[Value, ...]:
        """All that a parameter can be."""
        if not isinstance(function, FUNCTIONS):
            return (self._follower.unknown(module, parameter, f"{parameter.arg} is a lambda's"),)
        configured = settings_files.hydra(self._follower, module, function, parameter)
        if configured is not None:
            return (configured,)
        calls = self.of(module, function)
        values: list[Value] = []
        for caller, call, skipped in calls[:_MOST]:
            values += self._from_call(module, (caller, call, skipped), function, parameter)
        if values:
            return tuple(values)
        return self._uncalled(module, function, parameter)

    def _uncalled(self, module: Module, function: Function, parameter: ast.arg) -> tuple[Value, ...]:
        follower = self._follower
        name = parameter.arg
        place = follower.place(module, parameter)
        if parameter is function.args.kwarg:
            return (Table({}, place, open=True),)
        default = _default(function, name)
        typed = self._annotated(module, parameter)
        if default is not None and not (
            isinstance(default, ast.Constant) and default.value is None and typed
        ):
            said = f"{name} of {function.name}() keeps its default ({place})"
            return tuple(assuming(value, (said,)) for value in follower.values(module, default))
        if typed is not None:
            return (instance(follower, typed, place),)
        return (Unknown(f"no call of {function.name}() gives {name}", place, (name,)),)

    def _annotated(self, module: Module, parameter: ast.arg) -> Definition | None:
        """The project's class a parameter is annotated with, also as `Optional[X]` or `X | None`."""
        annotation = parameter.annotation
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            name = annotation.value.rpartition(".")[2].strip("]")
            candidates = [name]
        else:
            inside = list(ast.walk(annotation)) if annotation is not None else []
            candidates = [last_name(node) for node in inside if isinstance(node, ast.expr)]
        for name in filter(None, candidates):
            seen = module.syntax.lookup(name, parameter)
            for binding in seen[1] if seen else ():
                if isinstance(binding.node, ast.ClassDef):
                    return Definition(module, binding.node)
            found = self._follower.program.definition(module, name)
            if found is not None and isinstance(found[1], ast.ClassDef):
                return Definition(*found)
        return None

    # One call

    def _from_call(
        self, owner: Module, made: tuple[Module, ast.Call, int], function: Function, parameter: ast.arg
    ) -> tuple[Value, ...]:
        follower = self._follower
        module, call, skipped = made
        name = parameter.arg
        arguments = function.args
        if arguments.kwarg is parameter:
            return (self._rest(module, call, function),)
        positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        given = next((k.value for k in call.keywords if k.arg == name), None)
        if given is None and name in positional:
            index = positional.index(name) - skipped + _handed(call)
            plain = not any(isinstance(a, ast.Starred) for a in call.args[: index + 1])
            if 0 <= index < len(call.args) and plain:
                given = call.args[index]
        if given is not None:
            return follower.values(module, given)
        for keyword in call.keywords:
            if keyword.arg is None:
                found = [
                    value
                    for table in follower.values(module, keyword.value)
                    for value in (item(follower, table, name) if isinstance(table, Table) else ())
                    if not isinstance(value, Unknown)
                ]
                if found:
                    return tuple(found)
        default = _default(function, name)
        if default is None:
            return (follower.unknown(module, call, f"doesn't show {name}", (name,)),)
        return follower.values(owner, default)

    def _rest(self, module: Module, call: ast.Call, function: Function) -> Table:
        """What lands in `**kwargs`."""
        own = {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
        place = self._follower.place(module, call)
        entries: dict[str, tuple[Held, ...]] = {
            keyword.arg: (Expression(module, keyword.value),)
            for keyword in call.keywords
            if keyword.arg is not None and keyword.arg not in own
        }
        tables: list[Table] = [Table(entries, place)]
        for keyword in call.keywords:
            if keyword.arg is None:
                tables += spread(self._follower, module, keyword.value)
        whole = merged(tables, place)
        kept = {key: value for key, value in whole.entries.items() if key not in own}
        return replace(whole, entries=kept)

    # All calls

    def of(self, module: Module, function: Function) -> list[tuple[Module, ast.Call, int]]:
        """The calls of a function, each with how many first parameters it doesn't write (`self`)."""
        known = self._known.get(function)
        if known is None:
            known = self._known[function] = list(self._find(module, function))
        return known

    def _find(self, module: Module, function: Function) -> Iterator[tuple[Module, ast.Call, int]]:
        class_ = module.syntax.parents.get(function)
        method = isinstance(class_, ast.ClassDef)
        static = any(last_name(d) == "staticmethod" for d in function.decorator_list)
        skipped = 1 if method and not static else 0
        if isinstance(class_, ast.ClassDef) and function.name == "__init__":
            yield from self._of_class(module, class_, skipped, 0)
            return
        for caller in self._follower.program.naming(function.name):
            for call in self._follower.program.calls(caller, function.name):
                if self._is(caller, call, module, function, method=method):
                    yield caller, call, skipped

    def _of_class(
        self, module: Module, class_: ast.ClassDef, skipped: int, depth: int
    ) -> Iterator[tuple[Module, ast.Call, int]]:
        """Who makes an object of the class, or of one derived from it without a constructor of its own."""
        program = self._follower.program
        direct = 0
        for caller in program.naming(class_.name):
            for call in program.calls(caller, class_.name):
                if self._is(caller, call, module, class_, method=False):
                    direct += 1
                    yield caller, call, skipped
        for caller in program.naming(class_.name):
            for derived in caller.syntax.all(ast.ClassDef):
                if depth > _DEEPEST or derived is class_:
                    continue
                if not any(last_name(base) == class_.name for base in derived.bases):
                    continue
                own = next(
                    (n for n in derived.body if isinstance(n, FUNCTIONS) and n.name == "__init__"), None
                )
                if own is None:
                    yield from self._of_class(caller, derived, skipped, depth + 1)
                elif not direct or self.of(caller, own):  # one that nobody builds says nothing
                    yield from (
                        (caller, call, skipped)
                        for call in program.calls(caller, "__init__")
                        if _is_super(call) and derived in caller.syntax.ancestors(call)
                    )

    def _is(self, caller: Module, call: ast.Call, module: Module, wanted: ast.AST, *, method: bool) -> bool:
        """Whether a call of that name is one of this function or class."""
        name = getattr(wanted, "name", "")
        func = call.func
        if isinstance(func, ast.Name) and func.id == name:
            found = caller.syntax.lookup(name, func)
            if found is None or method:
                return False
            for binding in found[1]:
                if binding.node is wanted:
                    return True
                if isinstance(binding.node, ast.alias):
                    where = self._follower.program.definition(caller, name)
                    leads = self._follower.program.imported(caller, binding.node, binding.statement)
                    return where[1] is wanted if where is not None else leads is not None
            return False
        if method and isinstance(func, ast.Attribute):
            if caller is module and caller.syntax.self_attribute(func) is module.syntax.parents.get(wanted):
                return True
            return self._only_one(name)
        if isinstance(wanted, FUNCTIONS):
            return isinstance(func, ast.Attribute) and self._through(caller, func) is wanted
        where = self._follower.program.definition(caller, name)
        return where is None or where[1] is wanted

    def _through(self, caller: Module, func: ast.Attribute) -> ast.AST | None:
        """What `module.function` is, where the first is a module of the project."""
        program = self._follower.program
        found = caller.syntax.lookup(func.value.id, func) if isinstance(func.value, ast.Name) else None
        for binding in found[1] if found else ():
            if isinstance(binding.node, ast.alias):
                leads = program.imported(caller, binding.node, binding.statement)
                where = program.definition(leads[0], func.attr) if leads and not leads[1] else None
                return where[1] if where is not None else None
        return None

    def _only_one(self, name: str) -> bool:
        """Whether the project defines only one function of that name."""
        count = 0
        for module in self._follower.program.naming(name):
            count += sum(function.name == name for function in module.syntax.functions())
        return count == 1


def _default(function: Function, name: str) -> ast.expr | None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    for parameter, default in zip(with_default, arguments.defaults, strict=True):
        if parameter.arg == name:
            return default
    for keyword, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword.arg == name:
            return value
    return None


def _handed(call: ast.Call) -> int:
    """How many arguments of a call aren't the function's: `partial(f, ...)` has f itself."""
    return 1 if last_name(call.func) == "partial" else 0


def _is_super(call: ast.Call) -> bool:
    func = call.func
    return (
        isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Call)
        and last_name(func.value.func) == "super"
    )
