"""Statements behind a `return`, a `raise` and the like in the same block: Python never gets there."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.resolve.syntax import Syntax

_LEAVES: tuple[type[ast.stmt], ...] = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_BLOCKS = ("body", "orelse", "finalbody")


def behind_the_end(syntax: Syntax) -> Iterator[list[ast.stmt]]:
    """The statements that follow, in one block, on one that always leaves it.

    `raise NotImplementedError` at the head of a function that is to be written some day leaves all of what
    was there before: it is compiled, and never run.
    """
    for kind in _LEAVES:
        for node in syntax.all(kind):
            following = statements_after(syntax, node)
            if following:
                yield following


def statements_after(syntax: Syntax, node: ast.stmt) -> list[ast.stmt]:
    """What follows on a statement in its own block."""
    parent = syntax.parents[node]
    for name in _BLOCKS:
        block = getattr(parent, name, None)
        if isinstance(block, list) and block and block[-1] is not node and node in block:
            return block[block.index(node) + 1 :]
    return []
