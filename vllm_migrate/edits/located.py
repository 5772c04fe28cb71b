"""A Python file as a concrete syntax tree whose nodes can be found by their byte spans."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

from vllm_migrate.edits.blocks import Block, RefusedError
from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from vllm_migrate.files.positions import SourceText

_FORM_FEED = "\f"
_WHITE = " \t\f\r\n"
LEAVES = (cst.SimpleString, cst.FormattedStringText, cst.Name, cst.Integer, cst.Float)
# Fields that hold white space, brackets and separators: no edit names what is in them.
_SKIPPED = {"leading_lines", "lines_after_decorators", "header", "footer", "trailing_whitespace"}
_SKIPPED |= {"lpar", "rpar", "lbracket", "rbracket", "lbrace", "rbrace", "comma", "semicolon", "equal", "dot"}
_CHILDREN: dict[type, tuple[str, ...]] = {}


class Document:
    """The tree of one file.

    Attributes:
        module: the tree; `parents` its nodes' parents.
        parsed: what of the file's text it is the tree of; the `tail` is the rest, "" for most files.
        rendered: what the tree renders to before any change. Of `parsed`, libcst 1.9 drops form feeds alone.
        exact: whether `rendered` is `parsed`.
    """

    def __init__(self, text: SourceText) -> None:
        self._text = text
        wrapper, self.parsed, self.rendered = _reproduced(text.text)
        self.tail = text.text[len(self.parsed) :]
        self.exact = self.rendered == self.parsed
        self.module = wrapper.module
        self.parents = _parents(self.module)
        self._spans: dict[cst.CSTNode, Span] = {}
        self._by_span: dict[Span, list[cst.CSTNode]] = defaultdict(list)
        self._entries: dict[int, list[cst.Arg | cst.DictElement]] = defaultdict(list)
        for node, place in wrapper.resolve(ByteSpanPositionProvider).items():
            if node not in self.parents:
                continue
            span = Span(place.start, place.start + place.length)
            self._spans[node] = span
            self._by_span[span].append(node)
            if isinstance(node, cst.DictElement) or (isinstance(node, cst.Arg) and not node.star):
                self._entries[span.start].append(node)

    # From the file's bytes to the rendered tree's

    def place(self, span: Span) -> Span:
        """A span of the file as a span of the UTF-8 form of `rendered`."""
        start, end = self._text.utf8_offset(span.start), self._text.utf8_offset(span.end)
        if self.exact:
            return Span(start, end)
        lost = self.parsed.encode()
        kept = self.rendered.encode()
        return Span(_same_place(lost, kept, start), _same_place(lost, kept, end))

    # Finding nodes

    def span_of(self, node: cst.CSTNode) -> Span:
        """A node's place in the rendered tree."""
        return self._spans[node]

    def exactly(self, span: Span, *kinds: Any) -> Any:
        """The outermost node of one of these classes at exactly this place, None where there is none."""
        found = [node for node in self._by_span.get(self.place(span), ()) if isinstance(node, kinds)]
        if not found:
            return None
        depth = {node: self._depth(node) for node in found}
        return min(found, key=lambda n: depth[n])

    def _depth(self, node: cst.CSTNode) -> int:
        depth = 0
        while (above := self.parents.get(node)) is not None:
            node, depth = above, depth + 1
        return depth

    def expression(self, span: Span) -> cst.BaseExpression:
        """The expression at a place.

        Raises:
            RefusedError: where none begins and ends there.
        """
        found: cst.BaseExpression | None = self.exactly(span, cst.BaseExpression)
        found = found or self._inside_parentheses(span)
        if found is None:
            raise RefusedError("no expression begins and ends at the place to be replaced")
        return found

    def _inside_parentheses(self, span: Span) -> cst.BaseExpression | None:
        """A tuple: `ast` counts its parentheses, libcst does not."""
        source = self._text.source
        start, end = span.start, span.end
        if source[start : start + 1] != b"(" or source[end - 1 : end] != b")":
            return None
        inner = source[start + 1 : end - 1]
        start += 1 + len(inner) - len(inner.lstrip())
        end -= 1 + len(inner) - len(inner.rstrip())
        found: cst.Tuple | None = self.exactly(Span(start, end), cst.Tuple)
        return found if found is not None and found.lpar else None

    def keyword_or_entry(self, span: Span) -> cst.Arg | cst.DictElement | None:
        """The argument or the dictionary entry that begins at a place and lies in it.

        A positional argument has to be all that stands there, since others may begin at the same place.
        """
        wanted = self.place(span)
        for node in self._entries.get(wanted.start, ()):
            if isinstance(node, cst.Arg) and node.keyword is None:
                if self._spans[node] == wanted:
                    return node
                continue
            # A value in parentheses ends behind the expression that the span ends with.
            if self._spans[node].end <= wanted.end or self._text.source[span.end :].lstrip()[:1] == b")":
                return node
        return None

    def items_within(self, span: Span) -> list[cst.CSTNode]:
        """The elements of lists and tuples that stand within a place, not those inside of others."""
        wanted = self.place(span)
        found = [
            node
            for node, place in self._spans.items()
            if isinstance(node, (cst.Element, cst.StarredElement))
            and wanted.start <= place.start
            and place.end <= wanted.end
            and isinstance(self.parents[node], (cst.List, cst.Tuple))
        ]
        inner = {
            below for node in found for below in found if below is not node and self._lies_in(below, node)
        }
        return [node for node in found if node not in inner]

    def _lies_in(self, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
        above = self.parents.get(node)
        while above is not None and above is not outer:
            above = self.parents.get(above)
        return above is outer

    def statement(self, span: Span) -> cst.CSTNode:
        """The small or compound statement at a place.

        Raises:
            RefusedError: where there is none.
        """
        found: cst.CSTNode | None = self.exactly(span, cst.BaseSmallStatement, cst.BaseCompoundStatement)
        if found is None:
            raise RefusedError("no statement begins and ends at the place of the edit")
        return found

    def covering_leaf(self, span: Span) -> cst.CSTNode | None:
        """The token that a place lies in."""
        wanted = self.place(span)
        for node, place in self._spans.items():
            if place.start <= wanted.start and wanted.end <= place.end and isinstance(node, LEAVES):
                return node
        return None

    def in_block(self, statement: cst.CSTNode) -> tuple[Block, int, int | None]:
        """The block a statement stands in, its index there, and a small statement's index on its line."""
        line: cst.CSTNode = statement
        small: int | None = None
        if isinstance(statement, cst.BaseSmallStatement):
            line = self.parents[statement]
            if isinstance(line, cst.SimpleStatementSuite):
                return line, _index(line.body, statement), None
            assert isinstance(line, cst.SimpleStatementLine)  # noqa: S101 (the other home of small statements)
            small = _index(line.body, statement)
        block = self.parents[line]
        if not isinstance(block, (cst.Module, cst.IndentedBlock)):
            raise RefusedError("the statement stands in no block")
        return block, _index(block.body, line), small


def _parents(module: cst.Module) -> dict[cst.CSTNode, cst.CSTNode]:
    """Each node's parent; libcst's own provider takes as long as everything else together."""
    parents: dict[cst.CSTNode, cst.CSTNode] = {}
    todo: list[cst.CSTNode] = [module]
    for node in todo:
        kind = type(node)
        names = _CHILDREN.get(kind)
        if names is None:
            every = (f.name for f in dataclasses.fields(kind))
            names = tuple(n for n in every if n not in _SKIPPED and not n.startswith("whitespace"))
            _CHILDREN[kind] = names
        for name in names:
            value = getattr(node, name)
            for each in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(each, cst.CSTNode):
                    parents[each] = node
                    todo.append(each)
    return parents


def _index(nodes: object, node: cst.CSTNode) -> int:
    assert isinstance(nodes, (list, tuple))  # noqa: S101 (libcst's sequences)
    return next(i for i, each in enumerate(nodes) if each is node)


def _reproduced(text: str) -> tuple[MetadataWrapper, str, str]:
    """The tree of a file, the text it is the tree of, and what it renders to: the same but for form feeds.

    libcst 1.9 drops some of the blank lines that a file ends in, with spaces in them or comments below. No
    edit names what is there, so that the tree of such a file does without it.

    Raises:
        RefusedError: where libcst can't parse the file, or does not reproduce what stands before its end.
    """
    for end in (len(text), _start_of_tail(text)):
        parsed = text[:end]
        try:
            wrapper = MetadataWrapper(cst.parse_module(parsed), unsafe_skip_copy=True)
        except (cst.ParserSyntaxError, RecursionError) as error:
            raise RefusedError(f"libcst can't parse the file: {str(error).splitlines()[0]}") from None
        rendered = wrapper.module.code
        if _without(rendered) == _without(parsed):
            return wrapper, parsed, rendered
    raise RefusedError("libcst does not reproduce the file")


def _start_of_tail(text: str) -> int:
    """Where the blank lines and comments begin that a file ends in."""
    start = len(text)
    while start > 0:
        above = text.rfind("\n", 0, start - 1) + 1
        line = text[above:start].strip(_WHITE)
        if "\r" in line or (line and not line.startswith("#")):
            if line.endswith("\\"):  # its statement goes on in the next line, blank or not
                return text.find("\n", start) + 1 or len(text)
            return start
        start = above
    return start


def _without(text: str) -> str:
    return text.replace(_FORM_FEED, "")


def _same_place(source: bytes, target: bytes, offset: int) -> int:
    """Where the character at `offset` of one text is in another that differs only in form feeds."""
    wanted = offset - source.count(b"\f", 0, offset)
    position = 0
    while True:
        rest = wanted - (position - target.count(b"\f", 0, position))
        if rest <= 0:
            return position
        position += rest
