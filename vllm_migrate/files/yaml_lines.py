"""A YAML file as entries with byte ranges, read line by line.

Comments and layout have to survive an edit, so there is no parser that loads and dumps: block mappings and
sequences are followed by indentation, flow collections of one line are split, block scalars are kept whole.
What this can't follow is refused, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Span
from vllm_migrate.files.yaml_values import flow_end, flow_parts


@dataclass(slots=True)
class Entry:
    """A mapping entry (`key` set) or a sequence item (`key` is "").

    Attributes:
        path: the keys above it, outermost first; a sequence contributes nothing.
        indent: column of the key or of the dash.
        start: where the key or dash begins; `line` where its line begins; `end` after the last line that
            belongs to it, its newline included.
        key_span: the key without quotes; `value` the scalar or flow collection behind it on the same line.
        parent: index of the entry it stands in, -1 at the top; `children` how many stand in it.
        opens_item: stands on a dash's line, as its item's first entry; `next_start` where its next sibling
            begins.
        block: True where the value is a block scalar (`|`, `>`), `value` then its text.
        flow: True where it stands inside `{...}` or `[...]`; `end` is then the end of its value.
    """

    path: tuple[str, ...]
    indent: int
    key: str
    start: int
    line: int
    end: int
    key_span: Span
    value: Span
    parent: int = -1
    children: int = 0
    opens_item: bool = False
    next_start: int = -1
    block: bool = False
    flow: bool = False
    previous_end: int = -1


_KEY = re.compile(
    r"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\n]|'')*)'"""
    r"""|([^\s#"'\[\]{},&*!|>%@`-][^\n#]*?|-[^\s#][^\n#]*?))[ \t]*:(?=[ \t\r\n]|$)"""
)
_SCALAR = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\n#]|(?<=\S)#)*""")
_BLOCK = re.compile(r"[|>][+-]?\d?[+-]?[ \t]*(?:#[^\n]*)?\r?$")
_FLOW_ITEM = re.compile(
    r"""\s*(?:(?:"([^"\\]*)"|'([^']*)'|([^\s:,{}\[\]"'][^:,{}\[\]"']*?))\s*:(?:\s+|(?=["'{\[])))?"""
)
_DEEPEST = 200  # nobody's settings are; time grows with the square of it


def entries(text: str) -> list[Entry]:
    """Every mapping entry and sequence item of a YAML file, in order.

    Raises:
        InputError: where it is a template, is indented by tabs, or a quote or flow collection is not closed.
    """
    return _Lines(text).read()


@dataclass
class _Lines:
    text: str
    found: list[Entry] = field(default_factory=list)
    stack: list[int] = field(default_factory=list)  # indices of the open entries, indentation rising

    def read(self) -> list[Entry]:
        at = 3 if self.text.startswith("\xef\xbb\xbf") else 0
        while at < len(self.text):
            at = self._line(at)
        self._siblings()
        return self.found

    def _number(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def _line(self, line: int) -> int:
        """Read the line that starts at `line`; returns where the next one to read starts."""
        newline = self.text.find("\n", line)
        stop = len(self.text) if newline < 0 else newline + 1
        content = self.text[line:stop]
        bare = content.strip()
        if not bare or bare.startswith("#"):
            return stop
        if bare.startswith(("---", "...", "%")) and content[0] not in " \t":
            self.stack.clear()
            return stop
        if bare.startswith(("{{", "{%", "- {{", "<%")):
            raise InputError(f"line {self._number(line)}: a template, not YAML")
        start = line + len(content) - len(content.lstrip(" "))
        if self.text[start] == "\t":
            raise InputError(f"line {self._number(line)}: indented by a tab")
        return self._content(line, start, stop)

    def _content(self, line: int, start: int, stop: int) -> int:
        opens = False
        while self.text.startswith(("- ", "-\n", "-\r"), start) or (self.text[start:stop] == "-"):
            after = start + 1
            while after < stop and self.text[after] == " ":
                after += 1
            self._close(start - line, item=True)
            self._open(
                Entry(
                    self._path(), start - line, "", start, line, stop, Span(start, start), Span(after, after)
                )
            )
            start, opens = after, True
            if self.text[start : start + 1] in ("\n", "\r", "#", ""):
                return stop
        key = _KEY.match(self.text, start, stop)
        if key is None:
            return self._plain(start, stop, opens=opens)
        group = next(i for i in (1, 2, 3) if key[i] is not None)
        self._close(start - line, item=False)
        value = self._value_span(key.end(), stop)
        entry = Entry(
            self._path(), start - line, key[group], start, line, stop, Span(*key.span(group)), value
        )
        entry.opens_item = opens
        self._open(entry)
        return self._value(entry, stop)

    def _plain(self, start: int, stop: int, *, opens: bool) -> int:
        """A sequence item that is a scalar or flow collection; or the next line of a plain scalar."""
        if not opens or not self.stack:
            self._extend(stop)
            return stop
        item = self.found[self.stack[-1]]
        item.value = self._value_span(start, stop)
        return self._value(item, stop)

    def _value(self, entry: Entry, stop: int) -> int:
        text = self.text[entry.value.start : entry.value.end]
        if _BLOCK.fullmatch(self.text[entry.value.start : stop].rstrip("\n")):
            return self._block(entry, stop)
        if text[:1] in ("{", "["):
            return self._flow(entry, stop)
        if text[:1] in ('"', "'") and text.count(text[0]) % 2:
            closing = self.text.find(text[0], stop)  # a quoted scalar over several lines
            if closing < 0:
                raise InputError(f"line {self._number(entry.start)}: a {text[0]} is never closed")
            newline = self.text.find("\n", closing)
            stop = len(self.text) if newline < 0 else newline + 1
            entry.value = Span(entry.value.start, closing + 1)
            self._extend(stop)
        return stop

    def _block(self, entry: Entry, stop: int) -> int:
        begin, at, end = stop, stop, stop
        while at < len(self.text):
            newline = self.text.find("\n", at)
            after = len(self.text) if newline < 0 else newline + 1
            content = self.text[at:after]
            if content.strip():
                if len(content) - len(content.lstrip(" ")) <= entry.indent:
                    break
                end = after
            at = after
        entry.value, entry.block = Span(begin, end), True
        self._extend(end)
        return end

    def _flow(self, entry: Entry, stop: int) -> int:
        end = flow_end(self.text, entry.value.start)
        if end < 0:
            raise InputError(f"line {self._number(entry.start)}: a bracket is never closed")
        entry.value = Span(entry.value.start, end)
        newline = self.text.find("\n", end)
        stop = max(stop, len(self.text) if newline < 0 else newline + 1)
        self._extend(stop)
        self._flow_items(entry, self._index(entry))
        return stop

    def _index(self, entry: Entry) -> int:
        return next(i for i in range(len(self.found) - 1, -1, -1) if self.found[i] is entry)

    def _flow_items(self, entry: Entry, parent: int, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise InputError(f"line {self._number(entry.start)}: nested too deeply")
        path = (*entry.path, entry.key) if entry.key else entry.path
        previous = -1
        for start, end in flow_parts(self.text, entry.value.start + 1, entry.value.end - 1):
            match = _FLOW_ITEM.match(self.text, start, end)
            group = next((i for i in (1, 2, 3) if match and match[i] is not None), 0)
            begin = start + len(self.text[start:end]) - len(self.text[start:end].lstrip())
            stop = start + len(self.text[start:end].rstrip())
            if match is None or stop <= begin:
                continue
            key, key_span = (match[group], Span(*match.span(group))) if group else ("", Span(begin, begin))
            value = Span(match.end() if group else begin, stop)
            item = Entry(
                path, -1, key, begin, begin, stop, key_span, value, parent, flow=True, previous_end=previous
            )
            previous = stop
            self.found.append(item)
            entry.children += 1
            if self.text[value.start : value.start + 1] in ("{", "["):
                self._flow_items(item, len(self.found) - 1, depth + 1)

    def _value_span(self, start: int, stop: int) -> Span:
        while start < stop and self.text[start] in " \t":
            start += 1
        match = _SCALAR.match(self.text, start, stop)
        end = match.end() if match else start
        return Span(start, start + len(self.text[start:end].rstrip()))

    def _path(self) -> tuple[str, ...]:
        return tuple(self.found[i].key for i in self.stack if self.found[i].key)

    def _close(self, indent: int, *, item: bool) -> None:
        """Leave the entries that one at this indentation isn't inside of; a dash may stand below its key."""
        while self.stack:
            top = self.found[self.stack[-1]]
            inside = top.indent < indent or (item and top.indent == indent and top.key != "")
            if inside:
                return
            self.stack.pop()

    def _open(self, entry: Entry) -> None:
        if len(self.stack) > _DEEPEST:
            raise InputError(f"line {self._number(entry.start)}: nested too deeply")
        if self.stack:
            entry.parent = self.stack[-1]
            self.found[entry.parent].children += 1
        self._extend(entry.end)
        self.found.append(entry)
        self.stack.append(len(self.found) - 1)

    def _extend(self, end: int) -> None:
        for index in self.stack:
            self.found[index].end = max(self.found[index].end, end)

    def _siblings(self) -> None:
        last: dict[int, Entry] = {}
        for entry in self.found:
            before = last.get(entry.parent)
            if before is not None:
                before.next_start = entry.start
            last[entry.parent] = entry
