"""The changes that edits come to, collected by node and by block until they are carried out in one pass."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import libcst as cst

from vllm_migrate.edits.blocks import Block, BlockChange, LineChange, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vllm_migrate.edits.located import Document


class Changes:
    """All changes to one document.

    Attributes:
        nodes: per node, what makes the new one out of it, in the order asked for.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes: dict[cst.CSTNode, list[Callable[[Any], Any]]] = defaultdict(list)
        self._blocks: dict[Block, BlockChange] = {}

    def expression(self, code: str) -> cst.BaseExpression:
        """Code written by a rule, as a node."""
        try:
            return cst.parse_expression(code, self.document.module.config_for_parsing)
        except cst.ParserSyntaxError:
            raise RefusedError(f"{code!r} is no expression") from None

    def block(self, block: Block) -> BlockChange:
        """The change to a block."""
        if block not in self._blocks:
            change = self._blocks[block] = BlockChange(self.document.module)
            self.nodes[block].append(change.apply)
        return self._blocks[block]

    def line(self, statement: cst.CSTNode) -> LineChange:
        """The change to a statement; for one of several on a line, a change to its part of the line."""
        block, index, small = self.document.in_block(statement)
        change = self.block(block).line(index)
        if small is None:
            return change
        line = self.document.parents[statement]
        assert isinstance(line, cst.SimpleStatementLine)  # noqa: S101 (only lines have small parts)
        if len(line.body) == 1 or isinstance(statement, (cst.Import, cst.ImportFrom)):
            return change
        return _PartChange(change, small)

    def apply(self) -> cst.Module:
        """The document's tree with all changes made."""
        changed = self.document.module.visit(_Apply(self.nodes, self.document.parents))
        assert isinstance(changed, cst.Module)  # noqa: S101 (a module stays one)
        return changed


class _PartChange(LineChange):
    """A change to one of several statements on a line, recorded in the line's change."""

    def __init__(self, whole: LineChange, index: int) -> None:
        super().__init__(before=whole.before, after=whole.after)
        self._whole = whole
        self._index = index

    def __setattr__(self, name: str, value: object) -> None:
        if name == "removed" and value:
            self._whole.small[self._index] = lambda _: None
        super().__setattr__(name, value)


class _Apply(cst.CSTTransformer):
    """Applies the changes at their nodes and walks nowhere else."""

    def __init__(
        self,
        changes: dict[cst.CSTNode, list[Callable[[Any], Any]]],
        parents: Mapping[cst.CSTNode, cst.CSTNode],
    ) -> None:
        super().__init__()
        self._changes = changes
        self._open: set[cst.CSTNode] = set()
        for node in changes:
            above: cst.CSTNode | None = node
            while above is not None and above not in self._open:
                self._open.add(above)
                above = parents.get(above)

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Go only where something changes."""
        return node in self._open

    def on_leave(self, original_node: cst.CSTNode, updated_node: Any) -> Any:
        """Make this node's changes, in the order they were asked for."""
        for change in self._changes.get(original_node, ()):
            updated_node = change(updated_node)
        return updated_node


def position(nodes: Iterable[cst.CSTNode], node: cst.CSTNode) -> int:
    """Where a node stands among others."""
    return next(i for i, each in enumerate(nodes) if each is node)
