"""Arguments of calls and entries of dictionaries: gone, renamed, added."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst

from vllm_migrate.edits import layout as lay
from vllm_migrate.edits.blocks import RefusedError
from vllm_migrate.edits.changes import position

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.edits.changes import Changes
    from vllm_migrate.edits.model import AddArgument, RenameArgument
    from vllm_migrate.files.located import Span


@dataclass
class _EntryChange:
    """Changes to the arguments of one call or the entries of one dictionary literal."""

    removed: set[int] = field(default_factory=set)
    renamed: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)


class EntryEdits:
    """Takes on edits of arguments and entries."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._document = changes.document
        self._entries: dict[cst.CSTNode, _EntryChange] = {}

    def remove(self, span: Span) -> None:
        """What stands at a place goes: an argument, an entry, or a statement."""
        entry = self._document.keyword_or_entry(span)
        if entry is not None and self._document.exactly(span, cst.BaseSmallStatement) is None:
            holder, index = self._holder(entry)
            self._entry(holder).removed.add(index)
            return
        self._changes.line(self._document.statement(span)).removed = True

    def remove_items(self, span: Span) -> None:
        """The items of a list or tuple that stand within a place go."""
        items = self._document.items_within(span)
        if not items:
            raise RefusedError("no items of a list at the place of the edit")
        for item in items:
            holder = self._document.parents[item]
            assert isinstance(holder, (cst.List, cst.Tuple))  # noqa: S101 (items stand nowhere else)
            self._entry(holder).removed.add(position(holder.elements, item))

    def rename(self, edit: RenameArgument) -> None:
        """An argument or entry gets another name."""
        entry = self._document.keyword_or_entry(edit.span)
        if entry is not None and self._document.exactly(edit.span, cst.BaseSmallStatement) is None:
            holder, index = self._holder(entry)
            self._entry(holder).renamed[index] = (edit.name, edit.value)
            return
        statement = self._document.statement(edit.span)
        key, value = _key_and_value(statement)
        self._changes.nodes[key].append(lambda node: _renamed_string(node, edit.name))
        if edit.value is not None:
            new = self._changes.expression(edit.value)
            self._changes.nodes[value].append(lambda _: new)

    def add(self, edit: AddArgument) -> None:
        """A call gets another argument."""
        call = self._document.exactly(edit.call, cst.Call)
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
        self._changes.expression(edit.value)
        change.added[edit.name] = edit.value

    def _holder(self, entry: cst.Arg | cst.DictElement) -> tuple[cst.CSTNode, int]:
        holder = self._document.parents[entry]
        if isinstance(holder, cst.Call):
            return holder, position(holder.args, entry)
        if isinstance(holder, cst.Dict):
            return holder, position(holder.elements, entry)
        raise RefusedError("the argument stands in no call")

    def _entry(self, holder: cst.CSTNode) -> _EntryChange:
        if holder not in self._entries:
            change = self._entries[holder] = _EntryChange()
            self._changes.nodes[holder].append(lambda node: self._with_entries(node, change))
        return self._entries[holder]

    def _with_entries(self, node: Any, change: _EntryChange) -> Any:
        of, into = _LAYOUTS[type(node)]
        layout = of(node)
        for index, (name, value) in change.renamed.items():
            item = layout.items[index]
            if isinstance(item, cst.Arg):
                equal = item.equal if item.keyword is not None else _equal()
                item = item.with_changes(keyword=cst.Name(name), equal=equal)
            else:
                item = item.with_changes(key=_renamed_string(item.key, name))
            if value is not None:
                item = item.with_changes(value=self._changes.expression(value))
            layout.items[index] = item
        for index in sorted(change.removed, reverse=True):
            layout.remove(index)
        for name, value in change.added.items():
            stars = (i for i, arg in enumerate(layout.items) if arg.star == "**")
            new = cst.Arg(self._changes.expression(value), cst.Name(name), _equal())
            layout.insert(next(stars, len(layout.items)), new)
        return into(node, layout)


_LAYOUTS: dict[type, tuple[Callable[[Any], lay.Layout], Callable[[Any, lay.Layout], Any]]] = {
    cst.Call: (lay.of_call, lay.into_call),
    cst.Dict: (lay.of_dict, lay.into_dict),
    cst.List: (lay.of_list, lay.into_list),
    cst.Tuple: (lay.of_tuple, lay.into_tuple),
}


def _equal() -> cst.AssignEqual:
    return cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


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
