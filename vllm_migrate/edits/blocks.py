"""Changes to a block's list of statements."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Block: TypeAlias = cst.Module | cst.IndentedBlock | cst.SimpleStatementSuite
Statement: TypeAlias = cst.SimpleStatementLine | cst.BaseCompoundStatement

PRAGMA = re.compile(r"#\s*(?:noqa|type:|isort|pylint|pyright|ruff|nosec)\b.*")


class RefusedError(Exception):
    """An edit that can't be made safely here; the message says why."""


@dataclass
class LineChange:
    """What happens to one statement of a block.

    Attributes:
        removed: it goes, or, for a line of several small statements, which of those.
        replace: per small statement, what makes the new one out of it, None where it goes.
        before, after: statements put around it.
        unwrap: a `with` whose body takes its place.
    """

    removed: bool = False
    small: dict[int, Callable[[Any], cst.BaseSmallStatement | None]] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    unwrap: bool = False


class BlockChange:
    """All changes to one block, applied together."""

    def __init__(self, module: cst.Module) -> None:
        self._module = module
        self.lines: dict[int, LineChange] = {}

    def line(self, index: int) -> LineChange:
        """The change to one of its statements."""
        return self.lines.setdefault(index, LineChange())

    def apply(self, block: Block) -> Block:
        """The block with all changes made."""
        if isinstance(block, cst.SimpleStatementSuite):
            return self._suite(block)
        body: list[Any] = []
        carried: list[cst.EmptyLine] = []
        for index, statement in enumerate(block.body):
            first = len(body)
            change = self.lines.get(index)
            if change is None:
                body.append(statement)
            else:
                leftover = self._changed(cast("Statement", statement), change, body)
                if first < len(body) and carried:
                    body[first] = _led_by(carried, body[first])
                    carried = []
                if leftover:
                    lines = [] if index == 0 and not _has_comment(leftover) else leftover
                    carried = _merged(carried, lines)
                continue
            if carried:
                body[first] = _led_by(carried, body[first])
                carried = []
        footer = [*(line for line in carried if _has_comment(carried)), *block.footer]
        if not body and isinstance(block, cst.IndentedBlock):
            body = [cst.SimpleStatementLine([cst.Pass()], leading_lines=carried)]
            footer = list(block.footer)
        return block.with_changes(body=body, footer=footer)

    def _changed(self, statement: Statement, change: LineChange, body: list[Any]) -> list[cst.EmptyLine]:
        """Append what becomes of a statement; return the lines above it where nothing of it is left."""
        lead = list(statement.leading_lines)
        kept: list[Any] = []
        leftover: list[cst.EmptyLine] = []
        if change.unwrap:
            kept, leftover = _unwrapped(cast("cst.With", statement))
        elif not change.removed:
            remaining = _with_small(statement, change)
            kept = [remaining] if remaining is not None else []
        inserted = [s for code in change.before for s in self.parse(code)]
        following = [s for code in change.after for s in self.parse(code)]
        if inserted and kept:
            blank = _leading_blank(lead)
            asked = list(inserted[0].leading_lines)
            inserted[0] = inserted[0].with_changes(leading_lines=_merged(blank, asked))
            apart = [cst.EmptyLine(indent=False)] if change.before[-1].endswith("\n\n") else []
            kept[0] = kept[0].with_changes(leading_lines=[*apart, *lead[len(blank) :]])
        elif (inserted or following) and not kept:
            new = [*inserted, *following]
            asked = [line for line in new[0].leading_lines if line.comment is not None]
            new[0] = new[0].with_changes(leading_lines=[*lead, *asked])
            inserted, following = new, []
        body += [*inserted, *kept, *following]
        if leftover:
            return leftover
        return [] if inserted or kept or following else lead

    def _suite(self, suite: cst.SimpleStatementSuite) -> cst.SimpleStatementSuite:
        body: list[cst.BaseSmallStatement] = []
        for index, small in enumerate(suite.body):
            change = self.lines.get(index, LineChange())
            body += [s for code in change.before for s in self._parse_small(code)]
            if not change.removed:
                make = change.small.get(0)
                made = make(small) if make is not None else small
                body += [made] if made is not None else []
            body += [s for code in change.after for s in self._parse_small(code)]
        return suite.with_changes(body=_separated(body or [cst.Pass()]))

    def parse(self, code: str) -> list[Any]:
        """Statements written by a rule, as nodes for this module."""
        parsed = cst.parse_module(code.rstrip("\n") + "\n", self._module.config_for_parsing)
        body: list[Any] = list(parsed.body)
        if parsed.header and body:
            body[0] = body[0].with_changes(leading_lines=[*parsed.header, *body[0].leading_lines])
        return body

    def _parse_small(self, code: str) -> list[cst.BaseSmallStatement]:
        small: list[cst.BaseSmallStatement] = []
        for line in self.parse(code):
            if not isinstance(line, cst.SimpleStatementLine):
                raise RefusedError("the statement shares its line with what holds it")
            small += line.body
        return small


def _with_small(statement: Statement, change: LineChange) -> Statement | None:
    if not change.small:
        return statement
    assert isinstance(statement, cst.SimpleStatementLine)  # noqa: S101 (only lines hold small statements)
    body: list[cst.BaseSmallStatement] = []
    for index, small in enumerate(statement.body):
        make = change.small.get(index)
        made = make(small) if make is not None else small
        if made is not None:
            body.append(made)
    return statement.with_changes(body=_separated(body)) if body else None


def _separated(body: list[cst.BaseSmallStatement]) -> list[cst.BaseSmallStatement]:
    """Small statements on one line, each but the last with a semicolon."""
    result = []
    for index, small in enumerate(body):
        if index == len(body) - 1:
            semicolon = small.semicolon
            ends = isinstance(semicolon, cst.Semicolon) and len(body) > 1 and semicolon.whitespace_after.empty
            result.append(small if ends else small.with_changes(semicolon=cst.MaybeSentinel.DEFAULT))
        elif isinstance(small.semicolon, cst.Semicolon):
            result.append(small)
        else:
            result.append(
                small.with_changes(semicolon=cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" ")))
            )
    return result


def _unwrapped(statement: cst.With) -> tuple[list[Any], list[cst.EmptyLine]]:
    """A `with` block's statements, and the comment lines at its end."""
    lead = list(statement.leading_lines)
    block = statement.body
    if isinstance(block, cst.SimpleStatementSuite):
        line = cst.SimpleStatementLine(block.body, lead, block.trailing_whitespace)
        return [line], []
    assert isinstance(block, cst.IndentedBlock)  # noqa: S101 (the other kind of body)
    if block.header.comment is not None:
        lead.append(cst.EmptyLine(comment=block.header.comment))
    body: list[Any] = list(block.body)
    body[0] = body[0].with_changes(leading_lines=[*lead, *body[0].leading_lines])
    return body, list(block.footer)


def _led_by(lines: Sequence[cst.EmptyLine], statement: Any) -> Any:
    return statement.with_changes(leading_lines=_merged(lines, statement.leading_lines))


def _merged(above: Sequence[cst.EmptyLine], below: Sequence[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """The lines of two statements' heads, where the first statement is gone: blank lines don't add up."""
    if _has_comment(above):
        return [*above, *below]
    blank = _leading_blank(below)
    return [*(above if len(above) > len(blank) else blank), *below[len(blank) :]]


def _has_comment(lines: Sequence[cst.EmptyLine]) -> bool:
    return any(line.comment is not None for line in lines)


def _leading_blank(lines: Sequence[cst.EmptyLine]) -> list[cst.EmptyLine]:
    blank = []
    for line in lines:
        if line.comment is not None:
            break
        blank.append(line)
    return blank
