"""A TOML file as the entries that YAML files are read as, with byte ranges, so that both are judged alike.

The file is known to be valid when it comes here (`tomllib` has parsed it), so this only finds out where its
keys and values stand. Nothing is loaded and dumped: comments and layout have to survive an edit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vllm_migrate.files.located import Span
from vllm_migrate.files.yaml_lines import Entry

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:"((?:\\.|[^"\\\n])*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*(\.?)""")
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:'{0,2})|"(?:\\.|[^"\\\n])*"|'[^'\n]*\''''
    r"""|\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]+""",
    re.DOTALL,
)
_Path = tuple[str, ...]


def entries(text: str) -> list[Entry]:
    """Every key, table and item of a TOML file, in order.

    A table is the entry of the last part of its header, from the header to the last line in it; an array of
    tables is an entry with an item for each header.

    Args:
        text: valid TOML, with one character per byte and without a byte order mark.
    """
    return _Lines(text).read()


@dataclass
class _Lines:
    text: str
    found: list[Entry] = field(default_factory=list)
    stack: list[int] = field(
        default_factory=list
    )  # indices of the tables the line stands in, outermost first
    tables: dict[_Path, int] = field(default_factory=dict)

    def read(self) -> list[Entry]:
        at = self._blank(0)
        while at < len(self.text):
            at = self._blank(self._header(at) if self.text[at] == "[" else self._pair(at))
        return self.found

    def _blank(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at

    def _line_of(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        newline = self.text.find("\n", at)
        return len(self.text) if newline < 0 else newline + 1

    def _keys(self, at: int) -> tuple[list[tuple[str, Span]], int]:
        """The parts of a dotted key with their places, and where it ends."""
        parts: list[tuple[str, Span]] = []
        while match := _KEY.match(self.text, at):
            group = next(i for i in (1, 2, 3) if match[i] is not None)
            parts.append((match[group], Span(*match.span(group))))
            at = match.end()
            if not match[4]:
                break
        return parts, at

    def _header(self, at: int) -> int:
        """`[a.b]` or `[[a.b]]`."""
        array = self.text.startswith("[[", at)
        parts, after = self._keys(at + 1 + array)
        end = self._line_end(after)
        path = tuple(name for name, _ in parts)
        while self.stack:
            top = self.found[self.stack[-1]]
            whole = (*top.path, top.key) if top.key else top.path
            if path[: len(whole)] == whole and not (array and path == whole and not top.key):
                break
            self.stack.pop()
        holder = self.tables.get(path)
        if not array or holder is None:
            name, span = parts[-1]
            parent = self.tables.get(path[:-1], -1)
            self._open(Entry(path[:-1], 0, name, at, self._line_of(at), end, span, Span(end, end), parent))
            holder = self.tables[path] = len(self.found) - 1
            self.stack.append(holder)
        if array:
            item = Entry(path, 0, "", at, self._line_of(at), end, Span(at, at), Span(end, end), holder)
            self._open(item)
            self.tables[path] = holder
            self.stack.append(len(self.found) - 1)
        self._extend(end)
        return end

    def _open(self, entry: Entry) -> None:
        if entry.parent >= 0:
            self.found[entry.parent].children += 1
        self.found.append(entry)

    def _extend(self, end: int) -> None:
        for index in self.stack:
            self.found[index].end = max(self.found[index].end, end)

    def _pair(self, at: int) -> int:
        """`key = value` on a line of its own."""
        parent = self.stack[-1] if self.stack else -1
        top = self.found[parent] if self.stack else None
        path = () if top is None else ((*top.path, top.key) if top.key else top.path)
        index, end = self._assigned(at, path, parent)
        end = self._line_end(end)
        entry = self.found[index]
        entry.line, entry.end, entry.flow = self._line_of(at), end, False
        self._extend(end)
        return end

    def _assigned(self, at: int, path: _Path, parent: int) -> tuple[int, int]:
        """The entry of a key with its value, and where that value ends."""
        parts, after = self._keys(at)
        name, span = parts[-1]
        path = (*path, *(part for part, _ in parts[:-1]))
        start = self._blank(self.text.index("=", after) + 1)
        entry = Entry(path, -1, name, at, at, start, span, Span(start, start), parent, flow=True)
        self._open(entry)
        index = len(self.found) - 1
        end = self._value(start, index)
        entry.value, entry.end = Span(start, end), end
        return index, end

    def _value(self, at: int, holder: int) -> int:
        """Where a value ends; what is in it is taken on as entries of `holder`."""
        if self.text[at] in "{[":
            return self._collection(at, holder)
        match = _SCALAR.match(self.text, at)
        return match.end() if match else at + 1

    def _collection(self, at: int, holder: int) -> int:
        closing = "]" if self.text[at] == "[" else "}"
        above = self.found[holder]
        path = (*above.path, above.key) if above.key else above.path
        last: Entry | None = None
        at = self._blank(at + 1)
        while self.text[at] != closing:
            if closing == "}":
                index, end = self._assigned(at, path, holder)
            else:
                self._open(Entry(path, -1, "", at, at, at, Span(at, at), Span(at, at), holder, flow=True))
                index = len(self.found) - 1
                end = self._value(at, index)
                self.found[index].value, self.found[index].end = Span(at, end), end
            entry = self.found[index]
            if last is not None:
                last.next_start, entry.previous_end = entry.start, last.end
            last, at = entry, self._blank(end)
            if self.text[at] == ",":
                after = self._blank(at + 1)
                if self.text[after] == closing and entry.previous_end < 0:
                    entry.next_start = at + 1  # the only item takes its comma along
                at = after
        return at + 1
