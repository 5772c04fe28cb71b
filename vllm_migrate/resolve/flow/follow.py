"""Follows an expression to what it can be, through the project's own code. Nothing of it is run.

Names go to their bindings, parameters to what callers give them, attributes to what `self.x = ...` or a
dataclass says, parsed options to their defaults, loaded settings to their YAML file. Where several things are
possible all of them come out, and who asked decides whether they agree.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.flow import calculate, settings_files
from vllm_migrate.resolve.flow.callers import Callers
from vllm_migrate.resolve.flow.calls import CallFollower
from vllm_migrate.resolve.flow.objects import class_attribute, field_of
from vllm_migrate.resolve.flow.tables import changed, dictionary, item
from vllm_migrate.resolve.flow.values import (
    Definition,
    Expression,
    Place,
    Scalar,
    Several,
    Table,
    Unknown,
    assuming,
)
from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import PurePosixPath

    from vllm_migrate.resolve.flow.program import Module, Program
    from vllm_migrate.resolve.flow.values import Held, Value
    from vllm_migrate.resolve.syntax import Binding

_DEEPEST = 40  # expressions from one end of a call chain to the other
_MOST = 3_000  # expressions looked at for one question: a project where everything calls everything
_ALTERNATIVES = 12


class Follower:
    """Answers for one project."""

    def __init__(self, program: Program, settings: tuple[PurePosixPath, ...] = ()) -> None:
        """Answers for a project.

        Args:
            program: its files.
            settings: YAML files that are known to be the ones in use; objects that can't be followed are
                looked up there by the names they are walked by, and else in all YAML files.
        """
        self.program = program
        self.settings = settings
        self.callers = Callers(self)
        self._calls = CallFollower(self)
        self._busy: set[ast.AST] = set()
        self._known: dict[ast.AST, tuple[Value, ...]] = {}
        self._left = _MOST
        self._cuts = 0
        self.depth = 0
        self.changes: dict[Module, dict[str, list[ast.AST]]] = {}

    def ask(self, module: Module, node: ast.expr) -> tuple[Value, ...]:
        """All that an expression can be, as far as it can be followed; never empty."""
        self._left = _MOST
        return self.values(module, node)

    def values(self, module: Module, node: ast.expr) -> tuple[Value, ...]:
        """As `ask`, as part of a longer way."""
        if node in self._known:
            return self._known[node]
        self._left -= 1
        if node in self._busy or self.depth > _DEEPEST or self._left < 0:
            self._cuts += 1
            return (self.unknown(module, node, "goes in circles" if node in self._busy else "is too long"),)
        self._busy.add(node)
        self.depth += 1
        cuts = self._cuts
        try:
            found = distinct(self._values(module, node))[:_ALTERNATIVES]
        finally:
            self._busy.discard(node)
            self.depth -= 1
        found = found or (self.unknown(module, node, "is computed"),)
        if cuts == self._cuts or not self._busy:  # on the way in a circle, what is known is not all there is
            self._known[node] = found
        return found

    def held(self, held: Iterable[Held]) -> tuple[Value, ...]:
        """What stands behind entries of a table."""
        found: list[Value] = []
        for one in held:
            if isinstance(one, Expression):
                found += [assuming(v, one.assumed) for v in self.values(one.module, one.node)]
            else:
                found.append(one)
        return tuple(found)

    def place(self, module: Module, node: ast.AST) -> Place:
        """Where a node stands."""
        return Place(module.path, int(getattr(node, "lineno", 1)))

    def unknown(self, module: Module, node: ast.AST, why: str, trail: tuple[str, ...] = ()) -> Unknown:
        """A dead end."""
        written = ast.unparse(node) if isinstance(node, ast.expr) else ""
        short = written if len(written) <= 40 else written[:37] + "..."  # noqa: PLR2004 (fits in a message)
        return Unknown(f"{short} {why}".strip(), self.place(module, node), trail)

    def _values(self, module: Module, node: ast.expr) -> tuple[Value, ...]:
        if isinstance(node, ast.Constant):
            return (Scalar(node.value, self.place(module, node)),)
        if isinstance(node, ast.Name):
            return self._name(module, node)
        if isinstance(node, ast.Attribute):
            return self._attribute(module, node)
        if isinstance(node, ast.Call):
            return self._calls.values(module, node)
        if isinstance(node, ast.Dict):
            return (dictionary(self, module, node),)
        if isinstance(node, ast.Subscript):
            return self._subscript(module, node)
        if isinstance(node, ast.Tuple):
            whole = calculate.literal(node)
            if whole is None:
                elements = tuple(self.values(module, one) for one in node.elts)
                return (Several(elements, self.place(module, node)),)
        if isinstance(node, (ast.NamedExpr, ast.Await)):
            return self.values(module, node.value)
        return calculate.values(self, module, node)

    # Names

    def _name(self, module: Module, node: ast.Name) -> tuple[Value, ...]:
        found = module.syntax.lookup(node.id, node)
        if found is None:
            return (self.unknown(module, node, "is not bound here", (node.id,)),)
        scope, bindings = found
        kept = calculate.in_force(module.syntax, scope, bindings, node)
        values: list[Value] = []
        for binding in kept:
            values += self.bound(module, binding, node.id)
        return tuple(
            changed(self, module, node, value) if isinstance(value, Table) else value for value in values
        )

    def bound(self, module: Module, binding: Binding, name: str) -> tuple[Value, ...]:
        """What a binding gives its name."""
        node = binding.node
        if binding.kind in ("value", "enter") and isinstance(node, ast.expr):
            values = self.values(module, node)
            for index in binding.path:
                values = tuple(one for value in values for one in self._element(value, index, module, node))
            return values
        if binding.kind == "parameter" and isinstance(node, ast.arg):
            return self.callers.given(module, binding.statement, node)
        if binding.kind == "import" and isinstance(node, ast.alias):
            return self._imported(module, node, binding.statement)
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            return (Definition(module, node),)
        return (self.unknown(module, node, f"{name} is computed", (name,)),)

    def _element(self, value: Value, index: int, module: Module, node: ast.expr) -> tuple[Value, ...]:
        if isinstance(value, Several) and index < len(value.elements):
            return value.elements[index]
        if isinstance(value, Scalar) and isinstance(value.value, (list, tuple)) and index < len(value.value):
            return (Scalar(value.value[index], value.place, value.assumed),)
        return (value if isinstance(value, Unknown) else self.unknown(module, node, "is computed"),)

    def _imported(self, module: Module, alias: ast.alias, statement: ast.AST) -> tuple[Value, ...]:
        found = self.program.imported(module, alias, statement)
        if found is None or not found[1]:
            return (self.unknown(module, statement, f"{alias.name} is not the project's"),)
        return self.exported(*found)

    def exported(self, module: Module, name: str) -> tuple[Value, ...]:
        """What a module's global name is."""
        bindings = module.syntax.bindings.get(module.syntax.module, {}).get(name, [])
        values: list[Value] = []
        for binding in bindings:
            values += self.bound(module, binding, name)
        return tuple(values) or (Unknown(f"{name} is not defined in it", Place(module.path, 1), (name,)),)

    # Attributes and items

    def _attribute(self, module: Module, node: ast.Attribute) -> tuple[Value, ...]:
        own = module.syntax.self_attribute(node)
        if own is not None:
            found = class_attribute(self, Definition(module, own), node.attr)
            found = found or self._given_to_base(module, own, node.attr)
            return found or (self.unknown(module, node, "is set elsewhere", (node.attr,)),)
        if isinstance(node.value, ast.Name):
            named = module.syntax.lookup(node.value.id, node.value)
            for binding in named[1] if named else ():
                if isinstance(binding.node, ast.alias):
                    leads = self.program.imported(module, binding.node, binding.statement)
                    if leads is not None and not leads[1]:
                        return self.exported(leads[0], node.attr)
        values: list[Value] = []
        for value in self.values(module, node.value):
            values += self.member(value, node.attr, module, node)
        return tuple(values)

    def _given_to_base(self, module: Module, class_: ast.ClassDef, name: str) -> tuple[Value, ...]:
        """What a class hands to `super().__init__(name=...)`: trainers keep their arguments by that name."""
        for call in self.program.calls(module, "__init__"):
            if class_ in module.syntax.ancestors(call):
                for keyword in call.keywords:
                    if keyword.arg == name:
                        return self.values(module, keyword.value)
        return ()

    def _subscript(self, module: Module, node: ast.Subscript) -> tuple[Value, ...]:
        values: list[Value] = []
        for key in self.values(module, node.slice):
            for value in self.values(module, node.value):
                if isinstance(key, Scalar) and isinstance(key.value, str):
                    values += self.member(value, key.value, module, node)
                elif isinstance(key, Scalar) and isinstance(key.value, int):
                    values += self._element(value, key.value, module, node)
                else:
                    values.append(self.unknown(module, node, "is computed"))
        return tuple(values)

    def by_keys(self, unknown: Unknown) -> Value:
        """What the YAML files say about a dead end, if they agree; else the dead end."""
        found = settings_files.by_keys(self.program, unknown, self.settings)
        worth = {repr(value.value): value for value in found if isinstance(value, Scalar)}
        if len(worth) == 1:
            return next(iter(worth.values()))
        if len(worth) > 1:
            said = " or ".join(f"{written} ({value.place})" for written, value in [*worth.items()][:3])
            return Unknown(f"{'.'.join(unknown.trail)} may be {said}", unknown.place, unknown.trail)
        tables = [value for value in found if isinstance(value, Table)]
        return tables[0] if len(tables) == 1 and self.settings else unknown

    def member(self, value: Value, name: str, module: Module, node: ast.AST) -> tuple[Value, ...]:
        """The entry or field `name` of a value."""
        if isinstance(value, Unknown):
            return (self.by_keys(Unknown(value.why, value.place, (*value.trail, name))),)
        if isinstance(value, Table):
            return item(self, value, name)
        if isinstance(value, Definition) and isinstance(value.node, ast.ClassDef):
            return field_of(self, value, name)
        return (self.unknown(module, node, "is computed", (name,)),)


def distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    """The values without repetitions; two of the same worth at the same place are one."""
    kept: dict[object, Value] = {}
    for value in values:
        key: object = id(value)
        if isinstance(value, Scalar):
            key = (repr(value.value), value.place)
        elif isinstance(value, Unknown):
            key = (value.why, value.place, value.trail)
        kept.setdefault(key, value)
    return tuple(kept.values())
