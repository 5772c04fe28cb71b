"""What a notebook cell consists of: Python, and IPython's magics between, which are no Python.

IPython's own rules, as far as a reader needs them: a `%%` at the start of the cell is about all of it; a
line that begins with `%`, `!` or `?`, or ends in `?`, or assigns a `!` or `%`, is a magic, unless it stands
inside a bracket or string. `pip install` and its kin need no `%`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vllm_migrate.files.python import parse_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNS_PYTHON = frozenset({"time", "timeit", "capture", "prun", "memit", "px", "wandb", "snakeviz", "debug"})
_RUNS_SHELL = frozenset({"bash", "sh", "shell", "!", "sx", "system", "script"})
_FILE = frozenset({"writefile", "file"})
_OTHER = frozenset(
    {"html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "perl", "ruby", "R", "sql", "cmd"}
)
_COMMANDS = frozenset({"pip", "conda", "mamba", "micromamba", "uv"})
_VARIABLES = frozenset({"env", "set_env"})

_INDENT = re.compile(r"(?:[ \t]*\r?\n)*([ \t]+)(?=\S)")
_REST = r"(?:[^\\\n]|\\\r?\n|\\)*"
_CELL_MAGIC = re.compile(r"\s*%%([\w.]+|!)([^\n]*)(?:\n|\Z)")
_AUTOMATIC = r"(?:pip|conda|mamba|micromamba|uv)[ \t]+(?:install|uninstall|add|remove|sync|pip)\b"
_INSTALLS = re.compile(rf"^[ \t]*{_AUTOMATIC}", re.MULTILINE)
_LINE = re.compile(rf"[ \t]*((?:[%!?]|{_AUTOMATIC}){_REST})")
_HELP = re.compile(r"[ \t]*(%{0,2}[\w.*]+\?{1,2})[ \t]*(?=\r?\n|\Z)")
_ASSIGNED = re.compile(rf"=[ \t]*([%!]{_REST})")
_TOKEN = re.compile(
    r'''(?P<triple>"""|\'\'\')|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\#[^\n]*|'''
    r"""(?P<open>[(\[{])|(?P<close>[)\]}])|\\\r?\n|(?P<newline>\n)|(?P<equals>=+)|[^"'\#(\[{)\]}\\\n=]+|.""",
    re.DOTALL,
)
_TIMED = re.compile(r"%(\w+)((?:[ \t]+-\w+(?:[ \t]+\d+)?)*)[ \t]+(?=\S)")
_SHELL_LINE = re.compile(r"!!?[ \t]*|%(?:sx|system)\b[ \t]*")
_NAME = re.compile(r"%?(\w+)")
_SETTING = re.compile(r"%\w+[ \t]+([A-Za-z_]\w*)([ \t]*=[ \t]*|[ \t]+)([^\n]*)")


@dataclass(frozen=True, slots=True)
class Code:
    """Characters `[start, end)` are Python or, where `masked`, a magic in the place of an expression."""

    start: int
    end: int
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """Characters `[start, end)` are not for Python.

    Attributes:
        language: "shell", "variable" (`NAME=value`, `NAME value`) or "file", whose name is in `file_name`.
        whole: what goes once nothing of it is left; None where it can't go.
    """

    language: str
    start: int
    end: int
    whole: tuple[int, int] | None = None
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a cell consists of. What neither holds is part of a magic."""

    code: list[Code] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


def contents(text: str) -> Contents:
    """Take a cell apart."""
    indent = _INDENT.match(text)
    if indent is not None:
        return _indented(text, indent[1], indent.start(1))
    found = Contents()
    magic = _CELL_MAGIC.match(text)
    if magic is None:
        _code(text, 0, found)
        return found
    name, body = magic[1], magic.end()
    if name in _RUNS_PYTHON or (name not in _RUNS_SHELL | _FILE | _OTHER and _parses(text[body:])):
        first = text.index("%%")
        end = body - text[:body].endswith("\n")
        found.code.extend([Code(0, first), Code(first, end, masked=True), Code(end, body)])
        _code(text, body, found)
        return found
    found.code.append(Code(0, len(text), masked=True))
    whole = (0, len(text))
    if name in _RUNS_SHELL and (name != "script" or re.search(r"\b(?:ba|z|da|k)?sh\b", magic[2])):
        found.commands.append(Command("shell", body, len(text), whole))
    elif name in _FILE and magic[2].split():
        found.commands.append(Command("file", body, len(text), None, magic[2].split()[-1].strip("\"'")))
    elif name in ("python", "python3"):
        found.commands.append(Command("file", body, len(text), None, "cell.py"))
    return found


def _indented(text: str, indent: str, first: int) -> Contents:
    """A cell that begins indented: IPython takes that much off every line that has it."""
    places: list[int] = []  # where each character of the dedented text stands
    at = 0
    for line in text.splitlines(keepends=True):
        skip = len(indent) if at >= first and line.startswith(indent) else 0
        places += range(at + skip, at + len(line))
        at += len(line)
    inner = contents("".join(text[place] for place in places))
    places.append(len(text))
    found = Contents()
    for code in inner.code:
        start = code.start
        for index in range(code.start, code.end):
            if not code.masked and places[index + 1] != places[index] + 1:
                found.code.append(Code(places[start], places[index] + 1))
                start = index + 1
        if start < code.end:
            found.code.append(Code(places[start], places[code.end - 1] + 1, code.masked))
    for command in inner.commands:
        start, end = places[command.start], places[command.end - 1] + 1 if command.end > command.start else 0
        if text.count("\n", start, end):
            continue  # its other lines are not as they are written
        whole = command.whole
        if whole is not None:
            last = places[whole[1]]
            last = last if last == len(text) else text.rfind("\n", 0, last) + 1
            whole = (text.rfind("\n", 0, places[whole[0]]) + 1, last)
        found.commands.append(replace(command, start=start, end=max(start, end), whole=whole))
    return found


def _parses(text: str) -> bool:
    try:
        parse_text(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _code(text: str, start: int, found: Contents) -> None:
    """The part of a cell that IPython reads as Python, from `start` on."""
    if not _may_have_magics(text[start:]) or _parses(text[start:]):
        found.code.append(Code(start, len(text)))
        return
    at = start
    for first, last, alone in _magics(text, start):
        found.code.append(Code(at, first))
        timed = _TIMED.match(text, first, last) if alone else None
        if timed and timed[1] in _RUNS_PYTHON and _is_statement(text[timed.end() : last]):
            found.code.append(Code(timed.end(), last))
        else:
            found.code.append(Code(first, last, masked=True))
            found.commands.extend(_command(text, first, last, alone=alone))
        at = last
    found.code.append(Code(at, len(text)))


def _may_have_magics(text: str) -> bool:
    return any(mark in text for mark in "%!?") or _INSTALLS.search(text) is not None


def _is_statement(text: str) -> bool:
    return bool(text.strip()) and "\n" not in text and _parses(text)


def _magics(text: str, at: int) -> Iterator[tuple[int, int, bool]]:
    """The magics in a cell, and whether each has its line to itself."""
    depth, fresh = 0, True
    while at < len(text):
        line = (_LINE.match(text, at) or _HELP.match(text, at)) if fresh else None
        if line is not None:
            yield line.start(1), line.start(1) + len(line[1].rstrip()), True
            at = line.end()
        fresh = False
        token = _TOKEN.match(text, at)
        if token is None:
            return
        assigned = _ASSIGNED.match(text, at) if token["equals"] == "=" and depth == 0 else None
        if assigned is not None:
            yield assigned.start(1), assigned.start(1) + len(assigned[1].rstrip()), False
            at = assigned.end()
            continue
        at = token.end()
        if token["triple"]:
            close = re.compile(rf"(?:[^\\]|\\.)*?{token['triple']}", re.DOTALL).match(text, at)
            at = close.end() if close else len(text)
        depth += bool(token["open"]) - bool(token["close"] and depth)
        fresh = bool(token["newline"]) and depth == 0


def _command(text: str, first: int, last: int, *, alone: bool) -> Iterator[Command]:
    whole = _line(text, first, last) if alone else None
    shell = _SHELL_LINE.match(text, first, last)
    name = _NAME.match(text, first, last)
    if shell is not None and not text[first:last].startswith("%%"):
        yield Command("shell", shell.end(), last, whole)
    elif name is not None and name[1] in _COMMANDS:
        yield Command("shell", name.start(1), last, whole)
    elif name is not None and name[1] in _VARIABLES:
        setting = _SETTING.match(text, first, last)
        if setting is not None:
            yield Command("variable", setting.start(1), last, whole)


def _line(text: str, first: int, last: int) -> tuple[int, int]:
    """The line of a magic with the newline behind it, or before it where it is the last."""
    start = text.rfind("\n", 0, first) + 1
    newline = text.find("\n", last)
    if newline >= 0:
        return start, newline + 1
    return max(0, start - (2 if text[:start].endswith("\r\n") else 1)), len(text)


def is_python(text: str) -> SyntaxError | None:
    """What is wrong with a cell's Python, None where nothing is."""
    try:
        parse_text(text)
    except SyntaxError as error:
        return error
    return None


def variable_parts(text: str) -> tuple[int, int] | None:
    """In `NAME=value` or `NAME value`, where what stands between begins and ends."""
    match = re.match(r"\w+([ \t]*=[ \t]*|[ \t]+)", text)
    return match.span(1) if match else None
