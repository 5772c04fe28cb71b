"""Walks into an engine's insides, and attributes of vLLM's records."""

from __future__ import annotations

import ast
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Attribute, Certainty, Chain, MethodCall, Span
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.held_walks import held_walk
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.opened import opened_around
from vllm_migrate.resolve.passed_over import is_passed_over
from vllm_migrate.resolve.syntax import in_order

if TYPE_CHECKING:
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

_V0_LINKS = ("engine", "model_executor", "driver_worker")
"""Attributes that V0's engines have and V1's have not, or not by default."""
_PAIR = 2


class InsideReader:
    """Finds chains and record attributes; of those, none where the target never comes."""

    def __init__(self, syntax: Syntax, names: Names, text: SourceText, gates: VersionGates) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._gates = gates
        self._calls_by_receiver: defaultdict[str, list[ast.Call]] = defaultdict(list)
        for call in syntax.all(ast.Call):
            if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                self._calls_by_receiver[call.func.value.id].append(call)

    def chains(self) -> tuple[Chain, ...]:
        """All chains in source order, each at its full length."""
        found = []
        for node in self._syntax.in_order(ast.Attribute):
            if isinstance(self._syntax.parents[node], ast.Attribute):
                continue
            chain = self._chain(node)
            if chain is not None:
                found.append(chain)
        return tuple(found)

    def attributes(self) -> tuple[Attribute, ...]:
        """Attributes read from or set on sampling parameters and outputs, or set on an engine's arguments."""
        found = []
        for node in self._syntax.in_order(ast.Attribute):
            base = self._names.of(node.value)
            if base is None or base.kind is not Kind.INSTANCE:
                continue
            is_set = isinstance(node.ctx, ast.Store) and base.name in known.ARGUMENTS
            if not is_set and base.name not in known.RECORDS:
                continue
            if self._gates.is_dead(node):
                continue
            found.append(
                Attribute(
                    base.name,
                    node.attr,
                    self._text.span(node),
                    assigned=isinstance(node.ctx, ast.Store),
                    certainty=base.certainty,
                )
            )
        return tuple(found)

    def _chain(self, outer: ast.Attribute) -> Chain | None:
        links: list[ast.Attribute] = []  # innermost last while collecting
        node: ast.expr = outer
        while isinstance(node, ast.Attribute):
            links.append(node)
            node = node.value
        if not any(link.attr in known.INSIDES or link.attr.endswith("_config") for link in links):
            return None
        links.reverse()
        start, owner, certainty = self._start(links)
        if start is None:
            return None
        if self._asked_for(outer, links):
            certainty = Certainty.GUESS
        called = self._call_of(outer)
        if called is not None:
            links = links[:-1]  # the last link is the method that is called
        attributes = tuple(link.attr for link in links[start:])
        if not attributes:
            return None
        last, root = links[-1], links[start].value
        statement = self._syntax.statement(outer)
        calls = [self._method_call(called)] if called is not None else []
        bound_to, escapes = "", False
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is last:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if len(targets) == 1 and isinstance(targets[0], ast.Name):
                bound_to = targets[0].id
                bound_calls = self._calls_on(bound_to, statement)
                calls += [self._method_call(c) for c in bound_calls]
                escapes = self._uses(bound_to, statement) > len(bound_calls)
        held = held_walk(self._syntax, last, root, statement) if called is None and not bound_to else None
        if held is not None:
            bound_to, calls = held.name, [self._method_call(c) for c in held.calls]
        return Chain(
            root=self._text.written(self._text.span(root)),
            attributes=attributes,
            span=Span(self._text.span(root).start, self._text.span(last).end),
            root_span=self._text.span(root),
            statement=self._text.span(statement),
            bound_to=bound_to,
            method_calls=tuple(calls),
            patched=isinstance(outer.ctx, ast.Store),
            certainty=certainty,
            escapes=escapes,
            dead=self._gates.is_dead(outer),
            owner=owner,
            is_async=isinstance(self._syntax.function(outer), ast.AsyncFunctionDef),
            further=held.further if held is not None else (),
            passed_over=is_passed_over(self._syntax, statement),
            releases=tuple(self._text.span(one) for one in held.releases) if held is not None else (),
        )

    def _start(self, links: list[ast.Attribute]) -> tuple[int | None, str, Certainty]:
        """The first link that lies inside an engine, the engine's class if known, and how sure that is."""
        for index, link in enumerate(links):
            base = self._engine(link.value)
            if base is not None:
                inside = link.attr in known.INSIDES or link.attr.endswith("_config")
                if inside and not self._is_own(link):
                    return index, base.name, base.certainty
                return None, "", Certainty.GUESS
        pairs = [(a.attr, b.attr) for a, b in pairwise(links)]
        for index, pair in enumerate(pairs):
            if pair in known.TELLING_PAIRS:
                foreign = self._is_of_another_class(links[0].value)
                return index, "", Certainty.GUESS if foreign else Certainty.LIKELY
        if links and isinstance(links[0].value, ast.Name) and not self._is_module(links[0].value):
            own = links[0].value.id in ("self", "cls")
            for index, link in enumerate(links):
                if own and index == 0 and (link.attr == "driver_worker" or self._is_built_here(link)):
                    break  # an executor's own, or an engine's: it is in the engine's process already
                if link.attr in ("llm_engine", "model_executor", "driver_worker"):
                    return index, "", Certainty.GUESS
        return None, "", Certainty.GUESS

    def _is_of_another_class(self, node: ast.expr) -> bool:
        """Whether a name is only ever bound to objects of classes that are not vLLM's."""
        found = self._syntax.lookup(node.id, node) if isinstance(node, ast.Name) else None
        if found is None:
            return False
        made = [b.node.func for b in found[1] if b.kind == "value" and isinstance(b.node, ast.Call)]
        meanings = [self._names.of(func) for func in made]
        return len(made) == len(found[1]) and all(
            meaning is not None
            and (
                (meaning.kind is Kind.NAME and not known.is_known(meaning.name))
                or (meaning.kind is Kind.CLASS and self._names.user.vllm_base(meaning) is None)
            )
            for meaning in meanings
        )

    def _is_module(self, node: ast.Name) -> bool:
        """Whether a name is an imported module: `vllm.model_executor` is a package, not an engine's."""
        meaning = self._names.of(node)
        return meaning is not None and meaning.kind is Kind.NAME

    def _asked_for(self, outer: ast.Attribute, links: list[ast.Attribute]) -> bool:
        """Whether `if hasattr(x, "engine"):` stands around a walk through `x.engine`."""
        steps: set[tuple[str, object]] = {
            (ast.unparse(link.value), link.attr) for link in links if link.attr in _V0_LINKS
        }
        inner: ast.AST = outer
        for above in self._syntax.ancestors(outer) if steps else ():
            if isinstance(above, ast.If) and inner in above.body and _asks(above.test) in steps:
                return True
            inner = above
        return False

    def _engine(self, node: ast.expr) -> Meaning | None:
        """The engine an expression stands for, if it is one."""
        meaning = self._names.of(node)
        if meaning is None:
            return None
        if meaning.kind is Kind.INSTANCE and meaning.name in known.ENGINES:
            return meaning
        if meaning.kind is Kind.OBJECT:
            base = self._names.user.vllm_base(meaning)
            if base is not None and base.name in known.ENGINES:
                return Meaning(Kind.INSTANCE, base.name, Certainty.LIKELY)
        return None

    def _is_own(self, link: ast.Attribute) -> bool:
        """Whether the object itself defines the attribute, as a subclass of an engine may."""
        class_ = self._syntax.self_attribute(link)
        return class_ is not None and link.attr in self._syntax.attribute_bindings.get(class_, {})

    def _is_built_here(self, link: ast.Attribute) -> bool:
        """Whether a class without a base makes its executor itself: an engine that is the project's own."""
        class_ = self._syntax.self_attribute(link)
        if class_ is None or link.attr != "model_executor" or class_.bases:
            return False
        made = self._syntax.attribute_bindings.get(class_, {}).get(link.attr, [])
        return bool(made) and all(isinstance(binding.node, ast.Call) for binding in made)

    def _call_of(self, node: ast.Attribute) -> ast.Call | None:
        parent = self._syntax.parents[node]
        return parent if isinstance(parent, ast.Call) and parent.func is node else None

    def _calls_on(self, name: str, statement: ast.stmt) -> list[ast.Call]:
        found = self._syntax.lookup(name, statement)
        if found is None:
            return []
        return [
            call
            for call in in_order(self._calls_by_receiver.get(name, []))
            if call.lineno >= statement.lineno and _binds(self._syntax.lookup(name, call), found)
        ]

    def _uses(self, name: str, statement: ast.stmt) -> int:
        found = self._syntax.lookup(name, statement)
        return sum(
            1
            for use in self._syntax.loads.get(name, [])
            if use.lineno >= statement.lineno and _binds(self._syntax.lookup(name, use), found)
        )

    def _method_call(self, call: ast.Call) -> MethodCall:
        assert isinstance(call.func, ast.Attribute)  # noqa: S101 (only such calls come here)
        span, func = self._text.span(call), self._text.span(call.func)
        opening = self._text.source.find(b"(", func.end, span.end)
        statement = self._syntax.statement(call)
        return MethodCall(
            receiver=self._text.written(self._text.span(call.func.value)),
            method=call.func.attr,
            span=span,
            arguments_span=Span(opening + 1, span.end - 1),
            statement=self._text.span(statement),
            whole=isinstance(statement, ast.Expr) and statement.value is call,
            opened=opened_around(self._syntax, call),
        )


def _binds(one: object, other: object) -> bool:
    """Whether two lookups ended in the same scope."""
    return isinstance(one, tuple) and isinstance(other, tuple) and one[0] is other[0]


def _asks(test: ast.expr) -> tuple[str, object]:
    """The object and the attribute that `hasattr(object, "attribute")` asks for."""
    if (
        isinstance(test, ast.Call)
        and isinstance(test.func, ast.Name)
        and test.func.id == "hasattr"
        and len(test.args) == _PAIR
        and isinstance(test.args[1], ast.Constant)
    ):
        return ast.unparse(test.args[0]), test.args[1].value
    return "", None
