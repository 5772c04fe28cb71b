"""Jupyter notebooks: the code cells as one Python module, commands and written files as parts of their own.

Later cells see what earlier ones bind, so all of them are read as one module, in their order. IPython's
magics stand in it as `None`, and so do cells that are no Python, which bind nothing when they are run. Cells
end in a newline that the notebook doesn't hold.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind, kind_by_name
from vllm_migrate.files.magics import Command, contents, is_python, variable_parts
from vllm_migrate.files.notebook_json import code_cells
from vllm_migrate.files.parts import Collector, Origin, Part
from vllm_migrate.files.positions import python_encoding
from vllm_migrate.files.text import newline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vllm_migrate.files.magics import Code
    from vllm_migrate.files.notebook_json import Cell

    Reader = Callable[[FileKind, bytes], FileFacts]

_WRITTEN = (FileKind.PYTHON, FileKind.SHELL, FileKind.YAML, FileKind.REQUIREMENTS)


def read_notebook(path: PurePosixPath, source: bytes, read: Reader) -> FileFacts:
    """The parts of a notebook: its code first, then the commands and files in its cells.

    Args:
        path: of the notebook.
        source: its bytes.
        read: reads a part as a file of the kind it is of.

    Raises:
        InputError: where it is no notebook of format 4.
    """
    cells = code_cells(source)
    code = Collector(source)
    origins: list[Origin] = []
    borders: list[int] = []
    others: list[Part] = []
    unread: list[tuple[int, str]] = []
    if any(_declares_encoding(cell.text) for cell in cells[:1]):
        place = cells[0].place(0, 0)
        code.put(b"\n\n", place.start, place.start)  # a declared encoding counts in the first two lines only
    for cell in cells:
        found = contents(cell.text)
        borders.append(code.size)
        error = is_python(_masked(cell, found.code))
        if error is not None:
            line = source.count(b"\n", 0, cell.line_start(error.lineno or 1)) + 1
            unread.append((line, f"cell {cell.number}, line {error.lineno or 1}: syntax error: {error.msg}"))
            origins += _leave_out(code, cell)
            continue
        origins += _add_code(code, cell, found.code)
        others += [part for command in found.commands if (part := _part(source, cell, command, read))]
    parts: list[Part] = []
    if code.size:
        facts = read(FileKind.PYTHON, code.text)
        # Nothing imports a notebook: a process that is spawned finds no file to run again.
        calls = tuple(replace(call, at_import=False) for call in facts.calls)
        parts.append(
            Part(replace(facts, calls=calls), code.segments, tuple(origins), borders=tuple(borders[1:]))
        )
    return FileFacts(
        path=path,
        kind=FileKind.NOTEBOOK,
        source=source,
        newline=newline_of(source),
        parts=(*parts, *others),
        unread=tuple(unread),
    )


def _declares_encoding(text: str) -> bool:
    try:
        return python_encoding(text.encode()) != "utf-8"
    except ValueError:
        return True


def _masked(cell: Cell, pieces: Iterable[Code]) -> str:
    """A cell's Python as it is read."""
    return "".join("None" if piece.masked else cell.text[piece.start : piece.end] for piece in pieces)


def _leave_out(code: Collector, cell: Cell) -> list[Origin]:
    """Nothing of a cell, in its place."""
    origin = Origin(code.size, f"cell {cell.number}", 1)
    place = cell.place(0, len(cell.text))
    code.put(b"None", place.start, place.end)
    code.put(b"\n", cell.end, cell.end)
    return [origin]


def _add_code(code: Collector, cell: Cell, pieces: Iterable[Code]) -> list[Origin]:
    """A cell's Python with its magics masked, and the newline that ends it; where its lines come from."""
    name = f"cell {cell.number}"
    origins = [Origin(code.size, name, 1)]
    for piece in pieces:
        if piece.masked:
            place = cell.place(piece.start, piece.end)
            code.put(b"None", place.start, place.end)
            if "\n" in cell.text[piece.start : piece.end]:
                origins.append(Origin(code.size, name, cell.text.count("\n", 0, piece.end) + 1))
            continue
        _copy(code, cell, piece.start, piece.end)
    code.put(b"\n", cell.end, cell.end)
    return origins


def _copy(code: Collector, cell: Cell, start: int, end: int) -> None:
    for text, place, escape in cell.pieces(start, end):
        if escape:
            code.put(text.encode(), place.start, place.end)
        else:
            code.take(place.start, place.end)


def _part(source: bytes, cell: Cell, command: Command, read: Reader) -> Part | None:
    kind = FileKind.SHELL
    if command.language == "file":
        named = kind_by_name(PurePosixPath(command.file_name).name)
        if named is None or named not in _WRITTEN:
            return None
        kind = named
    text = Collector(source)
    between = (
        variable_parts(cell.text[command.start : command.end]) if command.language == "variable" else None
    )
    if between is None:
        _copy(text, cell, command.start, command.end)
    else:  # `%env NAME value` is an assignment, too, and takes the value as it is
        first, last = (command.start + offset for offset in between)
        gap = cell.place(first, last)
        _copy(text, cell, command.start, first)
        text.put(b"=", gap.start, gap.end)
        _copy(text, cell, last, command.end)
    line = cell.text.count("\n", 0, command.start) + 1
    name = f"cell {cell.number}"
    try:
        facts = read(kind, text.text)
    except InputError as error:
        at = source.count(b"\n", 0, cell.place(command.start, command.end).start) + 1
        raise InputError(f"line {at}: {name}, line {line}: {error.message}", hint=error.hint) from None
    whole = cell.place(*command.whole) if command.whole is not None else None
    return Part(facts, text.segments, (Origin(0, name, line),), whole)
