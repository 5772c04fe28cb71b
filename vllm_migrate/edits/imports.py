"""Changes to import statements: names that move to another module, go, or come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import libcst as cst

from vllm_migrate.edits import layout as lay
from vllm_migrate.edits.blocks import PRAGMA, RefusedError


@dataclass
class ImportChange:
    """What happens to one import statement.

    Attributes:
        moved: per name, by its index, the module and the name it is to come from.
        removed: names that go; `added` names that come.
    """

    moved: dict[int, tuple[str, str]] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    added: list[str] = field(default_factory=list)

    def apply(
        self, statement: cst.Import | cst.ImportFrom, pragma: str
    ) -> tuple[cst.BaseSmallStatement | None, list[str]]:
        """The statement as it is then, None where nothing of it is left, and the statements that follow it.

        Args:
            statement: the import with the changes inside it made.
            pragma: a linter's comment on the statement's line, repeated on the statements made out of it.

        Raises:
            RefusedError: where a move would change what the file's other lines mean.
        """
        if isinstance(statement, cst.Import):
            return self._plain(statement)
        if isinstance(statement.names, cst.ImportStar):
            raise RefusedError("a star import names nothing that could move")
        names = list(statement.names)
        groups: dict[str, list[int]] = {}
        for index in sorted(self.moved):
            groups.setdefault(self.moved[index][0], []).append(index)
        stay = [i for i in range(len(names)) if i not in self.moved and i not in self.removed]
        following: list[str] = []
        in_place: str | None = None
        if not stay and groups and not self.added:
            in_place = next(iter(groups))
            stay = groups.pop(in_place)
        layout = lay.of_import(statement)
        for module, indices in groups.items():
            written = ", ".join(self._written(names[i], i) for i in indices)
            comments = [pragma, *(lay.comment_after(layout, i) for i in indices)]
            comment = next((c for c in comments if c), "")
            following.append(f"from {module} import {written}" + (f"  {comment}" if comment else ""))
        if not stay and not self.added:
            return None, following
        if in_place is not None:
            layout.items = [self._renamed(n, i) if i in stay else n for i, n in enumerate(names)]
            statement = statement.with_changes(
                module=cast("cst.Name | cst.Attribute", cst.parse_expression(in_place)), relative=()
            )
        for name in self.added:
            _add(layout, name)
        for index in reversed(range(len(names))):
            if index not in stay:
                at = next(i for i, item in enumerate(layout.items) if item is names[index])
                layout.remove(at)
        return lay.into_import(statement, layout), following

    def _plain(self, statement: cst.Import) -> tuple[cst.BaseSmallStatement | None, list[str]]:
        kept: list[cst.ImportAlias] = []
        following: list[str] = []
        for index, alias in enumerate(statement.names):
            if index in self.removed:
                continue
            if index not in self.moved:
                kept.append(alias)
                continue
            if alias.asname is None:
                raise RefusedError("later lines spell out the module's old path")
            module, name = self.moved[index]
            bound = cst.Module([]).code_for_node(alias.asname.name)
            if name:
                following.append(f"from {module} import {name}" + (f" as {bound}" if bound != name else ""))
            else:
                path = cast("cst.Name | cst.Attribute", cst.parse_expression(module))
                kept.append(alias.with_changes(name=path))
        if not kept:
            return None, following
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return statement.with_changes(names=kept), following

    def _written(self, alias: cst.ImportAlias, index: int) -> str:
        """The name as the new statement has it; what it is bound to stays."""
        _, name = self.moved[index]
        bound = alias.evaluated_alias or alias.evaluated_name
        return name if bound == name and alias.asname is None else f"{name} as {bound}"

    def _renamed(self, alias: cst.ImportAlias, index: int) -> cst.ImportAlias:
        _, name = self.moved[index]
        if name == alias.evaluated_name:
            return alias
        new = alias.with_changes(name=cst.Name(name))
        if alias.asname is None:
            new = new.with_changes(asname=cst.AsName(cst.Name(alias.evaluated_name)))
        return new


def _add(layout: lay.Layout, name: str) -> None:
    """Put a name among the others: in order where they are in order, else last."""
    present = [item.evaluated_name for item in layout.items]
    if any(item.asname is None and item.evaluated_name == name for item in layout.items):
        return
    at = len(present)
    for key in (str, str.casefold):
        if present == sorted(present, key=key):
            at = sum(1 for other in present if key(other) < key(name))
            break
    layout.insert(at, cst.ImportAlias(cst.Name(name)))


def pragma_of(line: cst.SimpleStatementLine) -> str:
    """A linter's comment at the end of a line, else ""."""
    comment = line.trailing_whitespace.comment
    return comment.value if comment is not None and PRAGMA.match(comment.value) else ""


def imports_name(statement: cst.CSTNode, module: str, name: str) -> bool:
    """Whether a statement binds `name` by `from module import name`."""
    return (
        isinstance(statement, cst.ImportFrom)
        and not isinstance(statement.names, cst.ImportStar)
        and module_of(statement) == module
        and any(a.evaluated_name == name and a.asname is None for a in statement.names)
    )


def module_of(statement: cst.ImportFrom) -> str:
    """The module a `from` import names, relative dots included."""
    path = cst.Module([]).code_for_node(statement.module) if statement.module is not None else ""
    return "." * len(statement.relative) + path
