"""One answer from all that a setting can be, or the reason why there is none."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.flow.follow import Follower
from vllm_migrate.resolve.flow.program import Program, called_names
from vllm_migrate.resolve.flow.tables import merged, spread
from vllm_migrate.resolve.flow.values import Definition, Place, Scalar, Table, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import PurePosixPath

    from vllm_migrate.audit.code.sites import Tree
    from vllm_migrate.files.located import Call, Span
    from vllm_migrate.files.yaml_tree import YamlNode
    from vllm_migrate.resolve.flow.program import Module
    from vllm_migrate.resolve.flow.values import Value

_SHOWN = 60


class Answers:
    """Follows the arguments of calls through a tree.

    Attributes:
        program: the tree's modules and YAML files.
    """

    def __init__(self, tree: Tree, settings: tuple[PurePosixPath, ...] = ()) -> None:
        self.program = Program(tree.sources, cells=tree.notebooks.keys())
        self._follower = Follower(self.program, settings)

    def arguments(self, path: PurePosixPath, call: Call) -> Iterator[tuple[str, Value, str, Place]]:
        """Every argument of a call: its name, what it is, as it is written, and the line that names it."""
        module = self.program.module(path)
        node = _node(module, call.span) if module is not None else None
        if module is None or node is None:
            return
        seen: set[str] = set()
        for keyword in node.keywords:
            if keyword.arg is not None:
                seen.add(keyword.arg)
                written = one_line(ast.unparse(keyword.value))
                at = self._follower.place(module, keyword.value)
                yield keyword.arg, agreed(self._follower.ask(module, keyword.value), at), written, at
        for keyword in node.keywords:
            if keyword.arg is None:
                yield from self._spread(module, keyword.value, seen)

    def wrapper(self, path: PurePosixPath, call: Call) -> Definition | None:
        """The project's own class or function that a call goes through, None where it is vLLM's itself."""
        module = self.program.module(path)
        node = _node(module, call.span) if module is not None else None
        if module is None or node is None:
            return None
        for name in called_names(node):
            found = self.program.definition(module, name)
            if found is not None:
                return Definition(*found)
        return None

    def _spread(
        self, module: Module, node: ast.expr, seen: set[str]
    ) -> Iterator[tuple[str, Value, str, Place]]:
        written = f"**{one_line(ast.unparse(node))}"
        at = self._follower.place(module, node)
        tables = spread(self._follower, module, node)
        by_name: dict[str, list[Value]] = {}
        for table in tables:
            for name, held in table.entries.items():
                by_name.setdefault(name, []).extend(self._follower.held(held))
        for name, values in by_name.items():
            if name not in seen:
                seen.add(name)
                missing = any(name not in table.entries for table in tables)
                more = [Unknown(f"it is not always in {written}", at)] if missing else []
                yield name, agreed([*values, *more], at), written, at
        if any(table.open for table in tables):
            ends = [v for v in self._follower.ask(module, node) if isinstance(v, Unknown)]
            why = ends[0].why if ends else "it holds what only running the code tells"
            yield "", Unknown(why, at), written, at

    def mapping(self, path: PurePosixPath, call: Call) -> tuple[Table, ...]:
        """The mappings that reach a call by `**`."""
        module = self.program.module(path)
        node = _node(module, call.span) if module is not None else None
        if module is None or node is None:
            return ()
        found = [t for k in node.keywords if k.arg is None for t in spread(self._follower, module, k.value)]
        return (merged(found, found[0].place),) if len(found) > 1 else tuple(found)

    def mapping_at(self, path: PurePosixPath, key: Span) -> YamlNode | None:
        """The mapping of a YAML file that a key stands in."""
        tree = self.program.tree(path)
        return _holder(tree, key) if tree is not None else None


def _holder(node: YamlNode, key: Span) -> YamlNode | None:
    for below in (*node.keys.values(), *node.items):
        if below.entry is not None and below.entry.key_span == key:
            return node
        found = _holder(below, key)
        if found is not None:
            return found
    return None


def agreed(values: Iterable[Value], at: Place) -> Value:
    """The one value that all of them are, or an `Unknown` that says what they are."""
    values = list(values) or [Unknown("it is set nowhere", at)]
    dead = next((value for value in values if not isinstance(value, Scalar)), None)
    known = {repr(value.value): value for value in values if isinstance(value, Scalar)}
    said = " or ".join(f"{one_line(written)} ({value.place})" for written, value in [*known.items()][:3])
    if dead is None and len(known) == 1:
        return next(iter(known.values()))
    if dead is None:
        return Unknown(f"it is {said}", next(iter(known.values())).place)
    why = dead.why if isinstance(dead, Unknown) else "it is an object"
    return Unknown(f"{why}; else it is {said}" if said else why, dead.place)


def one_line(text: str) -> str:
    """Text for one line, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 3] + "..."


def _node(module: Module, span: Span) -> ast.Call | None:
    """The call that stands at a span."""
    return next(
        (node for node in module.syntax.all(ast.Call) if module.text.span(node) == span),
        None,
    )
