"""The code cells of a Jupyter notebook with the place of every character in the file's bytes.

`json` alone says what a notebook contains; to change a cell and nothing else, it has to be known where each
character of it stands and how it is written (`é` or its escape).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.files.json_places import items, members
from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]+"
)
_FORMAT = 4


@dataclass(frozen=True, slots=True)
class Run:
    """Characters `[first, last)` of a cell are the bytes `place` of the file: as they are, or one escape."""

    first: int
    last: int
    place: Span
    escape: bool


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON string of a cell's source: characters `[first, last)`, in `place` with its quotes."""

    first: int
    last: int
    place: Span


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell.

    Attributes:
        number: counted from 1 over all cells of the notebook.
        text: its source.
        value: the JSON value of `source`, a string or an array of strings.
        elements: its strings; `runs` the characters in them.
        listed: whether it is an array.
    """

    number: int
    text: str
    value: Span
    elements: tuple[Element, ...]
    runs: tuple[Run, ...]
    listed: bool

    @property
    def end(self) -> int:
        """The byte where text behind the last character would stand."""
        if self.runs:
            return self.runs[-1].place.end
        return self.elements[-1].place.end - 1 if self.elements else self.value.start + 1

    def place(self, first: int, last: int) -> Span:
        """The bytes of the characters `[first, last)`."""
        start = self._byte(first)
        return Span(start, self._byte(last - 1, after=True) if last > first else start)

    def line_start(self, line: int) -> int:
        """The byte where a line of the cell, counted from 1, begins."""
        at = 0
        for _ in range(line - 1):
            at = self.text.find("\n", at) + 1 or len(self.text)
        return self.place(at, at).start

    def _byte(self, index: int, *, after: bool = False) -> int:
        """Where a character begins, or ends."""
        at = bisect_right(self.runs, index, key=lambda run: run.first) - 1
        if at < 0 or index >= self.runs[at].last:
            return self.end
        run = self.runs[at]
        if run.escape:
            return run.place.end if after else run.place.start
        return run.place.start + len(self.text[run.first : index + after].encode())

    def pieces(self, first: int, last: int) -> Iterator[tuple[str, Span, bool]]:
        """The characters `[first, last)` as runs: text, bytes, and whether it is an escape."""
        for run in self.runs:
            start, end = max(first, run.first), min(last, run.last)
            if start < end:
                yield self.text[start:end], self.place(start, end), run.escape


def code_cells(source: bytes) -> list[Cell]:
    """The code cells of a Python notebook; none where its language is another.

    Raises:
        InputError: where it is no notebook of format 4.
    """
    mark = 3 if source.startswith(b"\xef\xbb\xbf") else 0
    notebook = _loaded(source[mark:])
    if _language(notebook).lower() not in ("python", "ipython", "python3", ""):
        return []
    text = source.decode("latin-1")  # one character a byte
    top = dict(members(text, text.index("{", mark)))
    cells: list[Cell] = []
    for number, place in enumerate(items(text, top["cells"].start), start=1):
        if text[place.start] != "{":
            raise InputError(f"cell {number} is no object", hint="mend the notebook or exclude it")
        found = dict(members(text, place.start))
        kind = found.get("cell_type")
        if kind is not None and text[kind.start : kind.end] == '"code"':
            cells.append(_cell(source, text, number, found.get("source")))
    return cells


def _loaded(source: bytes) -> dict[str, Any]:
    try:
        notebook = json.loads(source.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start}), which notebooks are") from None
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}: not valid JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"not valid JSON: {str(error) or 'nested too deeply'}") from None
    if not isinstance(notebook, dict) or not ("cells" in notebook or "worksheets" in notebook):
        raise InputError("no notebook: it has no cells")
    version = notebook.get("nbformat")
    if version != _FORMAT or not isinstance(notebook.get("cells"), list):
        raise InputError(
            f"a notebook of format {version}; only format {_FORMAT} can be read",
            hint="`jupyter nbconvert --to notebook --inplace` brings it up to date",
        )
    return notebook


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        value = metadata.get(section)
        if isinstance(value, dict) and isinstance(value.get(key), str):
            return str(value[key])
    return ""


def _cell(source: bytes, text: str, number: int, value: Span | None) -> Cell:
    listed = value is not None and text[value.start] == "["
    places = list(items(text, value.start)) if value is not None and listed else [value]
    elements: list[Element] = []
    runs: list[Run] = []
    pieces: list[str] = []
    at = 0
    for place in places:
        if place is None or text[place.start] != '"':
            raise InputError(f"cell {number}: its source is no text", hint="mend the notebook or exclude it")
        first = at
        for match in _PIECE.finditer(text, place.start + 1, place.end - 1):
            escape = match.group()[0] == "\\"
            piece = (
                json.loads(f'"{match.group()}"') if escape else source[match.start() : match.end()].decode()
            )
            runs.append(Run(at, at + len(piece), Span(*match.span()), escape))
            pieces.append(piece)
            at += len(piece)
        elements.append(Element(first, at, place))
    joined = "".join(pieces)
    try:
        joined.encode()
    except UnicodeEncodeError:
        raise InputError(f"cell {number}: holds half of a surrogate pair") from None
    assert value is not None  # noqa: S101 (places hold it otherwise)
    return Cell(number, joined, value, tuple(elements), tuple(runs), listed)
