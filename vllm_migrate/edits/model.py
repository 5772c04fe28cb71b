"""Findings and edits as plain values.

A rule yields `Finding`s. A finding carries the edits that mend it, all or none. A Python edit says what
should happen to which node (`RemoveArgument`, `MoveImport`, ...) and is carried out by a libcst codemod; a
text edit says which bytes become which. Nothing here reads or writes a file.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.files.located import Span


class Level(IntEnum):
    """How bad it is if nothing is done."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


class Safety(str, Enum):
    """Whether the edit may be applied without a reader."""

    SAFE = "safe"  # under the recorded precondition the edited code does what the old code did
    UNSAFE = "unsafe"  # probably right, needs a reader
    MANUAL = "manual"  # no edit; the message says what to write instead


@dataclass(frozen=True, slots=True)
class ReplaceText:
    """Bytes at `span` become `text`. In Python files only for what is no syntax node of its own."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class ReplaceExpression:
    """The expression at `span` becomes the expression `code`."""

    span: Span
    code: str


@dataclass(frozen=True, slots=True)
class RemoveArgument:
    """The argument or dictionary entry at `span` goes, with its comma."""

    span: Span


@dataclass(frozen=True, slots=True)
class RemoveItems:
    """The items of a list or tuple that stand within `span` go, with their commas."""

    span: Span


@dataclass(frozen=True, slots=True)
class RenameArgument:
    """The argument or dictionary entry at `span` is renamed; it gets `value` where one is given.

    A positional argument becomes a keyword by it, so that all positional ones behind it have to, too.
    """

    span: Span
    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class AddArgument:
    """The call at `call` gets the keyword argument `name=value`, laid out as its neighbours are."""

    call: Span
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MoveImport:
    """The imported name at `span` comes from `module` as `name`; its alias, hence all its uses, stays."""

    span: Span
    module: str
    name: str


@dataclass(frozen=True, slots=True)
class RemoveImport:
    """The imported name at `span` goes; the statement with it where it was the only one."""

    span: Span


@dataclass(frozen=True, slots=True)
class AddImport:
    """`from module import name` at the top of the file, or beside the statement at `near`; never twice."""

    module: str
    name: str
    near: Span | None = None


@dataclass(frozen=True, slots=True)
class RemoveStatement:
    """The statement at `span` goes; `pass` takes its place where it was its block's only one."""

    span: Span


@dataclass(frozen=True, slots=True)
class InsertStatement:
    """The statements `code` come after (or before) the statement at `anchor`, at its indentation."""

    anchor: Span
    code: str
    before: bool = False


@dataclass(frozen=True, slots=True)
class SetBases:
    """The class whose definition is at `span` gets these bases; with none, no parentheses."""

    span: Span
    bases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveWithItem:
    """The context item at `item` leaves the `with` at `statement`; with the last, the body is dedented."""

    statement: Span
    item: Span


@dataclass(frozen=True, slots=True)
class WrapInMain:
    """Top-level statements from `first` on move into `def main()`, called under a `__main__` guard."""

    first: Span


Edit = (
    ReplaceText
    | ReplaceExpression
    | RemoveArgument
    | RemoveItems
    | RenameArgument
    | AddArgument
    | MoveImport
    | RemoveImport
    | AddImport
    | RemoveStatement
    | InsertStatement
    | SetBases
    | RemoveWithItem
    | WrapInMain
)


@dataclass(frozen=True, slots=True)
class Position:
    """1-based lines, 1-based code-point columns, end-exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where state(source) differs from state(target), and what to do about it.

    Attributes:
        code: "VM201"; `name` "gone-engine-argument".
        message: one line: what changes on the target, for this code, names included.
        advice: the exact replacement where there is no edit; "" otherwise.
        precondition: what must hold for `safety` to be true.
        fact: id of the fact behind it, "" for none.
        edits: all of them or none are applied.
        inside: for a finding in a part of the file (`FileFacts.parts`), the part's index and the finding as
            it stands there; `span` and `edits` say the same in the file around it.
    """

    code: str
    name: str
    path: PurePosixPath
    span: Span
    level: Level
    safety: Safety
    message: str
    advice: str = ""
    precondition: str = ""
    fact: str = ""
    edits: tuple[Edit, ...] = field(default=())
    inside: tuple[int, Finding] | None = None


@dataclass(frozen=True, slots=True)
class Splice:
    """What finally happens to a file: bytes `[start, end)` become `text`."""

    start: int
    end: int
    text: bytes
