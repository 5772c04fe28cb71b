"""The libcst codemod: Python edits carried out on the nodes they name.

Only this module and those it imports from beside it know libcst, and only the planner imports it, when a
Python edit is planned.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from vllm_migrate.edits import layout as lay
from vllm_migrate.edits import model as edits
from vllm_migrate.edits.blocks import RefusedError
from vllm_migrate.edits.changes import Changes
from vllm_migrate.edits.entries import EntryEdits
from vllm_migrate.edits.import_edits import ImportEdits
from vllm_migrate.edits.located import Document
from vllm_migrate.edits.main_guard import wrapped_in_main

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.files.located import Span
    from vllm_migrate.files.positions import SourceText

# What may stand where a name stands without parentheses of its own.
_ATOMS: tuple[type[cst.CSTNode], ...] = (
    cst.Name,
    cst.Attribute,
    cst.Call,
    cst.Subscript,
    cst.BaseNumber,
    cst.BaseString,
    cst.List,
    cst.Dict,
    cst.Set,
    cst.ListComp,
    cst.DictComp,
    cst.SetComp,
)
_TIGHT: tuple[type[cst.CSTNode], ...] = (
    cst.Attribute,
    cst.Call,
    cst.Subscript,
    cst.BinaryOperation,
    cst.UnaryOperation,
    cst.Comparison,
    cst.BooleanOperation,
    cst.Await,
    cst.StarredElement,
)


@dataclass(frozen=True)
class TextChange:
    """A replacement of text that is no syntax node, to be spliced as it is."""

    span: Span
    text: str


class Codemod:
    """Collects edits on one file, then carries them out in one pass."""

    def __init__(self, text: SourceText) -> None:
        self._text = text
        self.document = Document(text)
        self._changes = Changes(self.document)
        self._entries = EntryEdits(self._changes)
        self._imports = ImportEdits(self._changes)
        self._withs: dict[cst.With, set[int]] = defaultdict(set)
        self._leaves: dict[cst.CSTNode, list[tuple[int, int, str]]] = defaultdict(list)
        self._main: cst.CSTNode | None = None
        self.texts: list[TextChange] = []
        self._seen: set[edits.Edit] = set()

    def add(self, edit: edits.Edit) -> None:
        """Take an edit on; the same edit twice is one edit.

        Raises:
            RefusedError: where it can't be carried out on this file.
        """
        if edit in self._seen:
            return
        if isinstance(edit, edits.ReplaceText):
            self._replace_text(edit)
        elif isinstance(edit, edits.ReplaceExpression):
            self._replace_expression(edit)
        elif isinstance(edit, edits.RemoveArgument):
            self._entries.remove(edit.span)
        elif isinstance(edit, edits.RemoveItems):
            self._entries.remove_items(edit.span)
        elif isinstance(edit, edits.RenameArgument):
            self._entries.rename(edit)
        elif isinstance(edit, edits.AddArgument):
            self._entries.add(edit)
        elif isinstance(edit, edits.MoveImport):
            self._imports.move(edit)
        elif isinstance(edit, edits.RemoveImport):
            self._imports.remove(edit.span)
        elif isinstance(edit, edits.AddImport):
            self._imports.add(edit)
        elif isinstance(edit, edits.RemoveStatement):
            self._entries.remove(edit.span)
        elif isinstance(edit, edits.InsertStatement):
            self._insert_statement(edit)
        elif isinstance(edit, edits.SetBases):
            self._set_bases(edit)
        elif isinstance(edit, edits.RemoveWithItem):
            self._remove_with_item(edit)
        else:
            self._main = self.document.statement(edit.first)
        self._seen.add(edit)

    # Expressions and tokens

    def _replace_text(self, edit: edits.ReplaceText) -> None:
        leaf = self.document.covering_leaf(edit.span)
        if leaf is None:
            self.texts.append(TextChange(edit.span, edit.text))
            return
        place, start = self.document.place(edit.span), self.document.span_of(leaf).start
        if leaf not in self._leaves:
            self._changes.nodes[leaf].append(lambda node: _with_text(node, self._leaves[leaf]))
        self._leaves[leaf].append((place.start - start, place.end - start, edit.text))

    def _replace_expression(self, edit: edits.ReplaceExpression) -> None:
        old = self.document.expression(edit.span)
        new = self._changes.expression(edit.code)
        whole_tuple = (
            isinstance(old, cst.Tuple) and self.document.exactly(edit.span, cst.BaseExpression) is not old
        )
        keep = [] if whole_tuple else list(old.lpar)
        tight = isinstance(self.document.parents.get(old), _TIGHT)
        if tight and not isinstance(new, _ATOMS) and not new.lpar and not keep:
            new = new.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        new = new.with_changes(lpar=[*keep, *new.lpar], rpar=[*new.rpar, *(old.rpar if keep else [])])
        self._changes.nodes[old].append(lambda _: new)

    # Statements

    def _insert_statement(self, edit: edits.InsertStatement) -> None:
        statement = self.document.statement(edit.anchor)
        block, index, _ = self.document.in_block(statement)
        change = self._changes.block(block)
        try:
            change.parse(edit.code)
        except cst.ParserSyntaxError:
            raise RefusedError(f"{edit.code!r} is no statement") from None
        line = change.line(index)
        (line.before if edit.before else line.after).append(edit.code)

    def _set_bases(self, edit: edits.SetBases) -> None:
        class_ = self.document.exactly(edit.span, cst.ClassDef)
        if class_ is None:
            raise RefusedError("no class definition at the place of the edit")
        bases = [cst.Arg(self._changes.expression(base)) for base in edit.bases]

        def make(node: Any) -> Any:
            if not bases and not node.keywords:
                return node.with_changes(
                    bases=[], lpar=cst.MaybeSentinel.DEFAULT, rpar=cst.MaybeSentinel.DEFAULT
                )
            return node.with_changes(bases=bases)

        self._changes.nodes[class_].append(make)

    def _remove_with_item(self, edit: edits.RemoveWithItem) -> None:
        statement = self.document.exactly(edit.statement, cst.With)
        if statement is None:
            raise RefusedError("no with statement at the place of the edit")
        wanted = self.document.place(edit.item)
        for index, item in enumerate(statement.items):
            place = self.document.span_of(item)
            if place.start <= wanted.start and wanted.end <= place.end:
                self._withs[statement].add(index)
                break
        else:
            raise RefusedError("no such context item")

    def _finish_withs(self) -> None:
        for statement, removed in self._withs.items():
            if len(removed) == len(statement.items):
                if statement.asynchronous is not None:
                    raise RefusedError("an async with is left as it is")
                self._changes.line(statement).unwrap = True
                continue

            def make(node: Any, removed: frozenset[int] = frozenset(removed)) -> Any:
                layout = lay.of_with(node)
                for index in sorted(removed, reverse=True):
                    layout.remove(index)
                return lay.into_with(node, layout)

            self._changes.nodes[statement].append(make)

    # The result

    def run(self) -> str:
        """The file's text with all edits made.

        Raises:
            RefusedError: where the edits don't go together.
        """
        self._finish_withs()
        changed = self._changes.apply()
        if self._main is not None:
            _, index, _ = self.document.in_block(self._main)
            if len(changed.body) != len(self.document.module.body):
                raise RefusedError("other edits move the statements that would go into main()")
            changed = wrapped_in_main(changed, index)
        return changed.code


def _with_text(node: Any, changes: Sequence[tuple[int, int, str]]) -> Any:
    value = node.value.encode()
    for start, end, text in sorted(changes, reverse=True):
        value = value[:start] + text.encode() + value[end:]
    return node.with_changes(value=value.decode())
