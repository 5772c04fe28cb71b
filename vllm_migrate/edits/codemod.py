"""The libcst codemod: Python edits carried out on the nodes they name.

Only this module and its neighbours `located`, `layout`, `blocks`, `imports` and `main_guard` import libcst, and only
the planner imports them, when a Python edit is planned.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import libcst as cst

from vllm_migrate.edits import layout as lay
from vllm_migrate.edits import model as edits
from vllm_migrate.edits.blocks import Block, BlockChange, LineChange, RefusedError
from vllm_migrate.edits.imports import ImportChange, imports_name, module_of, pragma_of
from vllm_migrate.edits.located import Document
from vllm_migrate.edits.main_guard import wrapped_in_main
from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vllm_migrate.files.positions import SourceText

_N = TypeVar("_N", bound=cst.CSTNode)

# What may stand where a name stands without parentheses of its own.
_ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.BaseNumber, cst.BaseString)
_ATOMS += (cst.List, cst.Dict, cst.Set, cst.ListComp, cst.DictComp, cst.SetComp)
_TIGHT = (cst.Attribute, cst.Call, cst.Subscript, cst.BinaryOperation, cst.UnaryOperation, cst.Comparison)
_TIGHT += (cst.BooleanOperation, cst.Await, cst.StarredElement)


@dataclass
class _EntryChange:
    """Changes to the arguments of one call or the entries of one dictionary literal."""

    removed: set[int] = field(default_factory=set)
    renamed: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)


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
        self._nodes: dict[cst.CSTNode, list[Callable[[Any], Any]]] = defaultdict(list)
        self._blocks: dict[Block, BlockChange] = {}
        self._entries: dict[cst.CSTNode, _EntryChange] = {}
        self._imports: dict[cst.CSTNode, ImportChange] = {}
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
            self._remove_argument(edit.span)
        elif isinstance(edit, edits.RenameArgument):
            self._rename_argument(edit)
        elif isinstance(edit, edits.AddArgument):
            self._add_argument(edit)
        elif isinstance(edit, edits.MoveImport):
            self._move_import(edit)
        elif isinstance(edit, edits.RemoveImport):
            statement, index = self._alias(edit.span)
            self._import(statement).removed.add(index)
        elif isinstance(edit, edits.AddImport):
            self._add_import(edit)
        elif isinstance(edit, edits.RemoveStatement):
            self._remove_argument(edit.span)
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
            self._nodes[leaf].append(lambda node: _with_text(node, self._leaves[leaf]))
        self._leaves[leaf].append((place.start - start, place.end - start, edit.text))

    def _replace_expression(self, edit: edits.ReplaceExpression) -> None:
        old = self.document.expression(edit.span)
        new = self._expression(edit.code)
        whole_tuple = (
            isinstance(old, cst.Tuple) and self.document.exactly(edit.span, cst.BaseExpression) is not old
        )
        keep = [] if whole_tuple else list(old.lpar)
        tight = isinstance(self.document.parents.get(old), _TIGHT)
        if tight and not isinstance(new, _ATOMS) and not new.lpar and not keep:
            new = new.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        new = new.with_changes(lpar=[*keep, *new.lpar], rpar=[*new.rpar, *(old.rpar if keep else [])])
        self._nodes[old].append(lambda _: new)

    def _expression(self, code: str) -> cst.BaseExpression:
        try:
            return cst.parse_expression(code, self.document.module.config_for_parsing)
        except cst.ParserSyntaxError:
            raise RefusedError(f"{code!r} is no expression") from None

    # Arguments and entries

    def _remove_argument(self, span: Span) -> None:
        entry = self.document.keyword_or_entry(span)
        if entry is not None and self.document.exactly(span, cst.BaseSmallStatement) is None:
            holder, index = self._holder(entry)
            self._entry(holder).removed.add(index)
            return
        self._line(self.document.statement(span)).removed = True

    def _rename_argument(self, edit: edits.RenameArgument) -> None:
        entry = self.document.keyword_or_entry(edit.span)
        if entry is not None and self.document.exactly(edit.span, cst.BaseSmallStatement) is None:
            holder, index = self._holder(entry)
            self._entry(holder).renamed[index] = (edit.name, edit.value)
            return
        statement = self.document.statement(edit.span)
        key, value = _key_and_value(statement)
        self._nodes[key].append(lambda node: _renamed_string(node, edit.name))
        if edit.value is not None:
            new = self._expression(edit.value)
            self._nodes[value].append(lambda _: new)

    def _add_argument(self, edit: edits.AddArgument) -> None:
        call = self.document.exactly(edit.call, cst.Call)
        if call is None:
            raise RefusedError("no call at the place of the edit")
        if (
            len(call.args) == 1
            and isinstance(call.args[0].value, cst.GeneratorExp)
            and not call.args[0].value.lpar
        ):
            raise RefusedError("the call's only argument is a bare generator")
        change = self._entry(call)
        taken = {
            a.keyword.value
            for i, a in enumerate(call.args)
            if a.keyword is not None and i not in change.removed
        }
        if edit.name in taken or change.added.get(edit.name, edit.value) != edit.value:
            raise RefusedError(f"the call is given {edit.name} already")
        self._expression(edit.value)
        change.added[edit.name] = edit.value

    def _holder(self, entry: cst.Arg | cst.DictElement) -> tuple[cst.CSTNode, int]:
        holder = self.document.parents[entry]
        if isinstance(holder, cst.Call):
            return holder, _position(holder.args, entry)
        if isinstance(holder, cst.Dict):
            return holder, _position(holder.elements, entry)
        raise RefusedError("the argument stands in no call")

    def _entry(self, holder: cst.CSTNode) -> _EntryChange:
        if holder not in self._entries:
            change = self._entries[holder] = _EntryChange()
            self._nodes[holder].append(lambda node: self._with_entries(node, change))
        return self._entries[holder]

    def _with_entries(self, node: Any, change: _EntryChange) -> Any:
        call = isinstance(node, cst.Call)
        layout = lay.of_call(node) if call else lay.of_dict(node)
        for index, (name, value) in change.renamed.items():
            item = layout.items[index]
            if isinstance(item, cst.Arg):
                item = item.with_changes(keyword=cst.Name(name))
            else:
                item = item.with_changes(key=_renamed_string(item.key, name))
            if value is not None:
                item = item.with_changes(value=self._expression(value))
            layout.items[index] = item
        for index in sorted(change.removed, reverse=True):
            layout.remove(index)
        for name, value in change.added.items():
            stars = (i for i, arg in enumerate(layout.items) if arg.star == "**")
            new = cst.Arg(
                self._expression(value),
                cst.Name(name),
                cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
            )
            layout.insert(next(stars, len(layout.items)), new)
        return lay.into_call(node, layout) if call else lay.into_dict(node, layout)

    # Imports

    def _alias(self, span: Span) -> tuple[cst.Import | cst.ImportFrom, int]:
        alias = self.document.exactly(span, cst.ImportAlias)
        statement = self.document.parents.get(alias) if alias is not None else None
        if alias is None or not isinstance(statement, (cst.Import, cst.ImportFrom)):
            raise RefusedError("no imported name at the place of the edit")
        assert not isinstance(statement.names, cst.ImportStar)  # noqa: S101 (it has an alias)
        return statement, _position(statement.names, alias)

    def _move_import(self, edit: edits.MoveImport) -> None:
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
        block, index, _ = self.document.in_block(statement)
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
            line = self._line(statement)
            holder = self.document.parents[statement]
            pragma = pragma_of(holder) if isinstance(holder, cst.SimpleStatementLine) else ""

            def make(node: Any) -> cst.BaseSmallStatement | None:
                made, following = change.apply(node, pragma)
                line.after[:0] = following
                return made

            _, _, small = self.document.in_block(statement)
            line.small[small or 0] = make
        return self._imports[statement]

    def _add_import(self, edit: edits.AddImport) -> None:
        if edit.near is not None:
            near = self.document.statement(edit.near)
            block, index, _ = self.document.in_block(near)
        else:
            block, index = self._import_home(edit)
        if isinstance(block, cst.SimpleStatementSuite):
            raise RefusedError("no room for an import beside the statement")
        seen = [
            *(_import_blocks(self.document.module) if edit.near is None else [self.document.module]),
            block,
        ]
        if any(imports_name(s, edit.module, edit.name) for b in seen for s in _imports_of(b)):
            return
        for statement in _imports_of(block):
            if isinstance(statement, cst.ImportFrom) and module_of(statement) == edit.module:
                if not isinstance(statement.names, cst.ImportStar):
                    self._import(statement).added.append(edit.name)
                    return
        change = self._block(block)
        written = f"from {edit.module} import {edit.name}" if edit.name else f"import {edit.module}"
        if index >= 0:
            if written not in change.line(index).after:
                change.line(index).after.append(written)
        elif block.body:
            if written not in change.line(0).before:
                change.line(0).before.append(written)
        else:
            raise RefusedError("no place for an import in an empty file")

    def _import_home(self, edit: edits.AddImport) -> tuple[Block, int]:
        """The block and the index of the statement that a new import follows; -1 for the very top."""
        module = self.document.module
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

    # Statements

    def _block(self, block: Block) -> BlockChange:
        if block not in self._blocks:
            change = self._blocks[block] = BlockChange(self.document.module)
            self._nodes[block].append(change.apply)
        return self._blocks[block]

    def _line(self, statement: cst.CSTNode) -> LineChange:
        """The change to a statement; for one of several on a line, a change to its part of the line."""
        block, index, small = self.document.in_block(statement)
        change = self._block(block).line(index)
        if small is None:
            return change
        line = self.document.parents[statement]
        assert isinstance(line, cst.SimpleStatementLine)  # noqa: S101 (only lines have small parts)
        if len(line.body) == 1 or isinstance(statement, (cst.Import, cst.ImportFrom)):
            return change
        return _PartChange(change, small)

    def _insert_statement(self, edit: edits.InsertStatement) -> None:
        statement = self.document.statement(edit.anchor)
        block, index, _ = self.document.in_block(statement)
        change = self._block(block)
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
        bases = [cst.Arg(self._expression(base)) for base in edit.bases]

        def make(node: Any) -> Any:
            if not bases and not node.keywords:
                return node.with_changes(
                    bases=[], lpar=cst.MaybeSentinel.DEFAULT, rpar=cst.MaybeSentinel.DEFAULT
                )
            return node.with_changes(bases=bases)

        self._nodes[class_].append(make)

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
                self._line(statement).unwrap = True
                continue

            def make(node: Any, removed: frozenset[int] = frozenset(removed)) -> Any:
                layout = lay.of_with(node)
                for index in sorted(removed, reverse=True):
                    layout.remove(index)
                return lay.into_with(node, layout)

            self._nodes[statement].append(make)

    # The result

    def run(self) -> str:
        """The file's text with all edits made.

        Raises:
            RefusedError: where the edits don't go together.
        """
        self._finish_withs()
        changed = self.document.module.visit(_Apply(self._nodes, self.document.parents))
        assert isinstance(changed, cst.Module)  # noqa: S101 (a module stays one)
        if self._main is not None:
            _, index, _ = self.document.in_block(self._main)
            if len(changed.body) != len(self.document.module.body):
                raise RefusedError("other edits move the statements that would go into main()")
            changed = wrapped_in_main(changed, index)
        return changed.code


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

    def __init__(self, changes: dict[cst.CSTNode, list[Callable[[Any], Any]]], parents: Any) -> None:
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


def _with_text(node: Any, changes: Sequence[tuple[int, int, str]]) -> Any:
    value = node.value.encode()
    for start, end, text in sorted(changes, reverse=True):
        value = value[:start] + text.encode() + value[end:]
    return node.with_changes(value=value.decode())


def _renamed_string(node: Any, name: str) -> Any:
    if not isinstance(node, cst.SimpleString):
        raise RefusedError("the key is no plain string")
    return node.with_changes(value=f"{node.prefix}{node.quote}{name}{node.quote}")


def _key_and_value(statement: cst.CSTNode) -> tuple[cst.CSTNode, cst.CSTNode]:
    """The key and the value of `kw["x"] = v` or `kw.setdefault("x", v)`."""
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        target = statement.targets[0].target
        if isinstance(target, cst.Subscript) and len(target.slice) == 1:
            element = target.slice[0].slice
            if isinstance(element, cst.Index):
                return element.value, statement.value
    if isinstance(statement, cst.Expr) and isinstance(statement.value, cst.Call):
        args = statement.value.args
        if len(args) > 1:
            return args[0].value, args[1].value
    raise RefusedError("the statement sets no single key")


def _position(nodes: Iterable[cst.CSTNode], node: cst.CSTNode) -> int:
    return next(i for i, each in enumerate(nodes) if each is node)


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
