"""Which keys reach a call through `**`: dictionaries followed through names, attributes and changes."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.resolve.syntax import Binding, Syntax

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a dictionary and where it is written.

    Attributes:
        value: the value's expression; None where only the key is known.
        key: the key's expression for a literal entry and for `kw["x"] = v`, or the keyword of `dict(x=v)`.
        holder: what goes when the entry goes: a statement, a keyword, or the key and value of a literal.
        shared: the key is read elsewhere, or the dictionary goes elsewhere, so that removing it may break
            something.
    """

    name: str
    value: ast.expr
    key: ast.AST
    holder: ast.AST
    certain: bool = True
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """The keys that are known, and whether there may be others."""

    entries: tuple[Entry, ...] = ()
    open: bool = False

    def uncertain(self) -> Mapping:
        """The same keys, none of them for sure."""
        return Mapping(
            tuple(Entry(e.name, e.value, e.key, e.holder, False, e.shared) for e in self.entries),  # noqa: FBT003 (positional copy)
            self.open,
        )


_OPEN = Mapping(open=True)


class Mappings:
    """Follows dictionaries in one file."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._busy: set[ast.AST] = set()

    def of(self, node: ast.expr, depth: int = 0) -> Mapping:
        """The keys of the dictionary an expression makes."""
        if depth > _DEEPEST or node in self._busy:
            return _OPEN
        self._busy.add(node)
        try:
            return self._read(node, depth + 1)
        finally:
            self._busy.discard(node)

    def _read(self, node: ast.expr, depth: int) -> Mapping:
        if isinstance(node, ast.Dict):
            return self._literal(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            if found is None:
                return _OPEN
            scope, bindings = found
            since = self._replaced_at(scope, bindings, node)
            bindings = [b for b in bindings if _line(b.statement, b) >= since]
            mapping = _merge([self._bound(b, depth) for b in bindings], len(bindings))
            changes = (c for c in self._of_name(node.id, scope) if _line(c) >= since)
            changed = self._changed(changes, depth)
            return self._marked(_joined(mapping, changed), self._reads_of_name(node.id, scope))
        if isinstance(node, ast.Attribute):
            class_ = self._syntax.self_attribute(node)
            if class_ is None:
                return _OPEN
            bindings = self._syntax.attribute_bindings.get(class_, {}).get(node.attr, [])
            if not bindings:
                return _OPEN
            mapping = _merge([self._bound(b, depth) for b in bindings], len(bindings))
            changed = self._changed(self._of_attribute(node.attr, class_), depth)
            return self._marked(_joined(mapping, changed), self._reads_of_attribute(node.attr, class_))
        if isinstance(node, ast.Subscript):
            return _joined(_OPEN, self._changed(self._of_section(node), depth))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return _joined(self.of(node.left, depth), self.of(node.right, depth))
        if isinstance(node, ast.IfExp):
            return _merge([self.of(node.body, depth), self.of(node.orelse, depth)], 2)
        if isinstance(node, ast.BoolOp):
            return _merge([self.of(v, depth) for v in node.values], len(node.values))
        return _OPEN

    def _replaced_at(self, scope: ast.AST, bindings: list[Binding], use: ast.Name) -> int:
        """The line of the last assignment that every path to `use` goes through, 0 where there is none."""
        lines = [
            b.statement.lineno
            for b in bindings
            if isinstance(b.statement, (ast.Assign, ast.AnnAssign))
            and b.kind == "value"
            and self._syntax.parents[b.statement] is scope
            and b.statement.lineno < use.lineno
        ]
        return max(lines) if lines and self._syntax.scope(use) is scope else 0

    def _literal(self, node: ast.Dict, depth: int) -> Mapping:
        result = Mapping()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result = _joined(result, self.of(value, depth))
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                result = _joined(result, Mapping((Entry(key.value, value, key, key),)))
            else:
                result = _joined(result, _OPEN)
        return result

    def _call(self, node: ast.Call, depth: int) -> Mapping:
        func = node.func
        name = last_name(func)
        if name in ("copy", "deepcopy"):
            inner = func.value if isinstance(func, ast.Attribute) and not node.args else None
            inner = node.args[0] if node.args else inner
            return self.of(inner, depth) if inner is not None else _OPEN
        if isinstance(func, ast.Name) and name in ("dict", "OrderedDict"):
            return _joined(*[self.of(a, depth) for a in node.args], self._keywords(node, depth))
        return _OPEN

    def _keywords(self, node: ast.Call, depth: int) -> Mapping:
        result = Mapping()
        for keyword in node.keywords:
            if keyword.arg is None:
                result = _joined(result, self.of(keyword.value, depth))
            else:
                result = _joined(result, Mapping((Entry(keyword.arg, keyword.value, keyword, keyword),)))
        return result

    def _bound(self, binding: Binding, depth: int) -> Mapping | None:
        if binding.kind == "value" and isinstance(binding.node, ast.expr) and not binding.path:
            if isinstance(binding.node, ast.Constant) and binding.node.value is None:
                return None
            return self.of(binding.node, depth)
        return None if isinstance(binding.node, ast.AnnAssign) else _OPEN

    # Changes: kw["x"] = v, kw.update(...), kw.setdefault("x", v), kw |= {...}

    @cached_property
    def _changes(self) -> list[tuple[ast.expr, ast.AST]]:
        """What is changed, with the statement's or call's node."""
        found: list[tuple[ast.expr, ast.AST]] = []
        for assign in self._syntax.all(ast.Assign):
            found += [(t.value, assign) for t in assign.targets if isinstance(t, ast.Subscript)]
        for augmented in self._syntax.all(ast.AugAssign):
            if isinstance(augmented.op, ast.BitOr):
                found.append((augmented.target, augmented))
        for call in self._syntax.all(ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("update", "setdefault"):
                found.append((call.func.value, call))
        return found

    def _of_name(self, name: str, scope: ast.AST) -> Iterator[ast.AST]:
        for place, change in self._changes:
            if isinstance(place, ast.Name) and place.id == name:
                found = self._syntax.lookup(name, place)
                if found is not None and found[0] is scope:
                    yield change

    def _of_section(self, node: ast.Subscript) -> Iterator[ast.AST]:
        """Changes of one section of a dictionary by name: `cfg["engine"].setdefault("seed", 1)`."""
        if not isinstance(node.value, ast.Name) or not _text(node.slice):
            return
        found = self._syntax.lookup(node.value.id, node)
        for place, change in self._changes:
            if not isinstance(place, ast.Subscript) or _text(place.slice) != _text(node.slice):
                continue
            if isinstance(place.value, ast.Name) and place.value.id == node.value.id:
                there = self._syntax.lookup(place.value.id, place)
                if found is not None and there is not None and found[0] is there[0]:
                    yield change

    def _of_attribute(self, name: str, class_: ast.ClassDef) -> Iterator[ast.AST]:
        for place, change in self._changes:
            named = isinstance(place, ast.Attribute) and place.attr == name
            if named and self._syntax.self_attribute(place) is class_:
                yield change

    def _changed(self, changes: Iterator[ast.AST], depth: int) -> Mapping:
        result = Mapping()
        for change in changes:
            result = _joined(result, self._change(change, depth))
        return result

    def _change(self, change: ast.AST, depth: int) -> Mapping:
        if isinstance(change, ast.Assign):
            target = change.targets[0]
            key = target.slice if isinstance(target, ast.Subscript) else None
            if len(change.targets) == 1 and isinstance(key, ast.Constant) and isinstance(key.value, str):
                return Mapping((Entry(key.value, change.value, key, change),))
            return _OPEN
        if isinstance(change, ast.AugAssign):
            return self.of(change.value, depth)
        assert isinstance(change, ast.Call)  # noqa: S101 (the third kind of change)
        assert isinstance(change.func, ast.Attribute)  # noqa: S101 (same)
        if change.func.attr == "update":
            return _joined(*[self.of(a, depth) for a in change.args], self._keywords(change, depth))
        whole = self._syntax.parents[change]
        key = change.args[0] if len(change.args) == 2 else None  # noqa: PLR2004 (setdefault takes key and value)
        if isinstance(whole, ast.Expr) and isinstance(key, ast.Constant) and isinstance(key.value, str):
            return Mapping((Entry(key.value, change.args[1], key, whole),))
        return _OPEN

    # Other reads of the dictionary: removing a key that is read breaks the reader

    def _marked(self, mapping: Mapping, reads: set[str]) -> Mapping:
        if not reads:
            return mapping
        return Mapping(
            tuple(
                Entry(e.name, e.value, e.key, e.holder, e.certain, e.shared or e.name in reads)
                for e in mapping.entries
            ),
            mapping.open,
        )

    @cached_property
    def _reads(self) -> list[tuple[ast.expr, str]]:
        found: list[tuple[ast.expr, str]] = []
        for subscript in self._syntax.all(ast.Subscript):
            if isinstance(subscript.ctx, ast.Load):
                found += [(subscript.value, key) for key in _text(subscript.slice)]
        for call in self._syntax.all(ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("get", "pop") and call.args:
                found += [(call.func.value, key) for key in _text(call.args[0])]
        return found

    def _reads_of_name(self, name: str, scope: ast.AST) -> set[str]:
        reads = set()
        for place, key in self._reads:
            if isinstance(place, ast.Name) and place.id == name:
                found = self._syntax.lookup(name, place)
                if found is not None and found[0] is scope:
                    reads.add(key)
        return reads

    def _reads_of_attribute(self, name: str, class_: ast.ClassDef) -> set[str]:
        return {
            key
            for place, key in self._reads
            if isinstance(place, ast.Attribute)
            and place.attr == name
            and self._syntax.self_attribute(place) is class_
        }


def _line(node: ast.AST, binding: Binding | None = None) -> int:
    """Where something takes effect; parameters take effect before everything."""
    if binding is not None and binding.kind == "parameter":
        return 0
    return int(getattr(node, "lineno", 0))


def _text(node: ast.expr) -> list[str]:
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _joined(*mappings: Mapping) -> Mapping:
    """One dictionary updated by the next ones."""
    entries: list[Entry] = []
    seen: set[tuple[str, ast.AST]] = set()
    for mapping in mappings:
        for entry in mapping.entries:
            if (entry.name, entry.holder) not in seen:
                seen.add((entry.name, entry.holder))
                entries.append(entry)
    return Mapping(tuple(entries), any(m.open for m in mappings))


def _merge(mappings: list[Mapping | None], alternatives: int) -> Mapping:
    """Either of several dictionaries."""
    found = [m for m in mappings if m is not None]
    filled = [m for m in found if m.entries or m.open]
    joined = _joined(*filled)
    return joined if len(filled) <= 1 or alternatives == 1 else joined.uncertain()
