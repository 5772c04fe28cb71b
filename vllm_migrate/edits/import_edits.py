"""Edits of imports: which statement changes, and where a new one goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from vllm_migrate.edits.blocks import Block, RefusedError
from vllm_migrate.edits.changes import position
from vllm_migrate.edits.imports import ImportChange, imports_name, module_of, pragma_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.edits.changes import Changes
    from vllm_migrate.edits.model import AddImport, MoveImport
    from vllm_migrate.files.located import Span


class ImportEdits:
    """Takes on edits of imports."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._document = changes.document
        self._imports: dict[cst.CSTNode, ImportChange] = {}

    def remove(self, span: Span) -> None:
        """An imported name goes."""
        statement, index = self._alias(span)
        self._import(statement).removed.add(index)

    def _alias(self, span: Span) -> tuple[cst.Import | cst.ImportFrom, int]:
        alias = self._document.exactly(span, cst.ImportAlias)
        statement = self._document.parents.get(alias) if alias is not None else None
        if alias is None or not isinstance(statement, (cst.Import, cst.ImportFrom)):
            raise RefusedError("no imported name at the place of the edit")
        assert not isinstance(statement.names, cst.ImportStar)  # noqa: S101 (it has an alias)
        return statement, position(statement.names, alias)

    def move(self, edit: MoveImport) -> None:
        """An imported name comes from elsewhere."""
        statement, index = self._alias(edit.span)
        other = self._import_beside(statement, edit.module)
        alias = statement.names[index]  # type: ignore[index]  # _alias refuses stars
        if other is not None and alias.asname is None and alias.evaluated_name == edit.name:
            self._import(statement).removed.add(index)
            self._import(other).added.append(edit.name)
        else:
            self._import(statement).moved[index] = (edit.module, edit.name)

    def _import_beside(self, statement: cst.Import | cst.ImportFrom, module: str) -> cst.ImportFrom | None:
        """An import from `module` in the same run of imports."""
        block, index, _ = self._document.in_block(statement)
        for step in (-1, 1):
            at = index + step
            while 0 <= at < len(block.body):
                line = block.body[at]
                if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
                    break
                small = line.body[0]
                if not isinstance(small, (cst.Import, cst.ImportFrom)):
                    break
                if isinstance(small, cst.ImportFrom) and module_of(small) == module:
                    return None if isinstance(small.names, cst.ImportStar) else small
                at += step
        return None

    def _import(self, statement: cst.Import | cst.ImportFrom) -> ImportChange:
        if statement not in self._imports:
            change = self._imports[statement] = ImportChange()
            line = self._changes.line(statement)
            holder = self._document.parents[statement]
            pragma = pragma_of(holder) if isinstance(holder, cst.SimpleStatementLine) else ""

            def make(node: Any) -> cst.BaseSmallStatement | None:
                made, following = change.apply(node, pragma)
                line.after[:0] = following
                return made

            _, _, small = self._document.in_block(statement)
            line.small[small or 0] = make
        return self._imports[statement]

    def add(self, edit: AddImport) -> None:
        """A name is imported, once."""
        if edit.near is not None:
            near = self._document.statement(edit.near)
            block, index, _ = self._document.in_block(near)
        else:
            block, index = self._import_home(edit)
        if isinstance(block, cst.SimpleStatementSuite):
            raise RefusedError("no room for an import beside the statement")
        seen = [
            *(_import_blocks(self._document.module) if edit.near is None else [self._document.module]),
            block,
        ]
        if any(imports_name(s, edit.module, edit.name) for b in seen for s in _imports_of(b)):
            return
        for statement in _imports_of(block):
            if not isinstance(statement, cst.ImportFrom) or isinstance(statement.names, cst.ImportStar):
                continue
            if module_of(statement) == edit.module:
                self._import(statement).added.append(edit.name)
                return
        change = self._changes.block(block)
        written = f"from {edit.module} import {edit.name}" if edit.name else f"import {edit.module}"
        if index >= 0:
            if written not in change.line(index).after:
                change.line(index).after.append(written)
        elif block.body:
            if written not in change.line(0).before:
                change.line(0).before.append(written)
        else:
            raise RefusedError("no place for an import in an empty file")

    def _import_home(self, edit: AddImport) -> tuple[Block, int]:
        """The block and the index of the statement that a new import follows; -1 for the very top."""
        module = self._document.module
        package = edit.module.partition(".")[0]
        guarded: tuple[Block, int] | None = None
        for block in _import_blocks(module):
            for index, statement in enumerate(block.body):
                for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
                    if _imports_package(small, package) and guarded is None:
                        guarded = (block, index)
        if guarded is not None:
            return guarded
        last = -1
        for index, statement in enumerate(module.body):
            if not isinstance(statement, cst.SimpleStatementLine):
                break
            docstring = index == 0 and isinstance(statement.body[0], cst.Expr)
            if not docstring and not all(isinstance(s, (cst.Import, cst.ImportFrom)) for s in statement.body):
                break
            last = index
        return module, last


def _imports_of(block: Block) -> Iterable[cst.BaseSmallStatement]:
    for statement in block.body:
        if isinstance(statement, cst.SimpleStatementLine):
            yield from statement.body


def _import_blocks(module: cst.Module) -> Iterable[cst.Module | cst.IndentedBlock]:
    """The blocks that run when the module is imported: its own, and those of top-level `if` and `try`."""
    yield module
    for statement in module.body:
        if isinstance(statement, (cst.If, cst.Try)) and isinstance(statement.body, cst.IndentedBlock):
            yield statement.body


def _imports_package(small: cst.BaseSmallStatement, package: str) -> bool:
    return (
        isinstance(small, cst.ImportFrom)
        and not small.relative
        and module_of(small).partition(".")[0] == package
    )
