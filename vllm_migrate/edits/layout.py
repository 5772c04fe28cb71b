"""Lists between brackets: taking an item out or putting one in, laid out as its neighbours are.

A list of n items has n + 1 gaps: before the first, between two, after the last. A comment at the end of a
line belongs to the item before it; comment lines of their own stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

Gap = cst.BaseParenthesizableWhitespace
_NOTHING = cst.SimpleWhitespace("")
_SPACE = cst.SimpleWhitespace(" ")


@dataclass
class Layout:
    """Items with the white space around them.

    Attributes:
        items: nodes that have a `comma`.
        gaps: one more than there are items.
        trailing: whether a comma follows the last item.
    """

    items: list[Any]
    gaps: list[Gap]
    trailing: bool = False

    def remove(self, index: int) -> None:
        """Take an item out with its comma and the comment on its own line."""
        before, after = self.gaps[index], self.gaps[index + 1]
        if len(self.items) == 1:
            merged: Gap = before if _comments(before) else _NOTHING
            self.trailing = False
        elif index == len(self.items) - 1:
            merged = _merged_at_end(before, after)
        else:
            merged = _merged(before, after)
        del self.items[index]
        self.gaps[index : index + 2] = [merged]

    def insert(self, index: int, item: cst.CSTNode) -> None:
        """Put an item in before the one at `index`, or at the end."""
        if not self.items:
            self.gaps = [_NOTHING, self.gaps[0]]
        elif index == len(self.items):
            self._append_gap()
        else:
            before = self.gaps[index]
            if isinstance(before, cst.ParenthesizedWhitespace):
                self.gaps[index] = before.with_changes(empty_lines=[])
                self.gaps.insert(index + 1, before.with_changes(first_line=_plain(before.first_line)))
            else:
                self.gaps.insert(index + 1, _SPACE)
        self.items.insert(index, item)

    def _append_gap(self) -> None:
        model, closing = self.gaps[-2], self.gaps[-1]
        if not isinstance(model, cst.ParenthesizedWhitespace):
            self.gaps.insert(-1, _SPACE)
            return
        if not isinstance(closing, cst.ParenthesizedWhitespace):
            self.gaps.insert(-1, model.with_changes(first_line=_plain(model.first_line), empty_lines=[]))
            return
        self.gaps[-1:] = [
            model.with_changes(first_line=closing.first_line, empty_lines=closing.empty_lines),
            closing.with_changes(first_line=_plain(closing.first_line), empty_lines=[]),
        ]

    def separated(self, *, closing_after_comma: bool = True) -> list[Any]:
        """The items with their commas, the last one followed by the closing gap if asked for."""
        last = len(self.items) - 1
        result = []
        for index, item in enumerate(self.items):
            if index < last or self.trailing:
                old = item.comma
                space = old.whitespace_before if isinstance(old, cst.Comma) else _NOTHING
                after = self.gaps[index + 1] if index < last or closing_after_comma else _NOTHING
                comma: cst.Comma | cst.MaybeSentinel = cst.Comma(
                    whitespace_before=space, whitespace_after=after
                )
            else:
                comma = cst.MaybeSentinel.DEFAULT
            result.append(item.with_changes(comma=comma))
        return result


def of_call(call: cst.Call) -> Layout:
    """The arguments of a call."""
    gaps: list[Gap] = [call.whitespace_before_args]
    gaps += [_joined(_after(arg.comma), arg.whitespace_after_arg) for arg in call.args]
    return Layout(list(call.args), gaps, bool(call.args) and isinstance(call.args[-1].comma, cst.Comma))


def into_call(call: cst.Call, layout: Layout) -> cst.Call:
    """The call with these arguments."""
    args = [arg.with_changes(whitespace_after_arg=_NOTHING) for arg in layout.separated()]
    if args and not layout.trailing:
        args[-1] = args[-1].with_changes(whitespace_after_arg=layout.gaps[-1])
    return call.with_changes(args=args, whitespace_before_args=layout.gaps[0])


def of_dict(literal: cst.Dict) -> Layout:
    """The entries of a dictionary literal."""
    first, closing = literal.lbrace.whitespace_after, literal.rbrace.whitespace_before
    if not literal.elements:
        return Layout([], [_joined(first, closing)])
    gaps: list[Gap] = [first, *(_after(e.comma) for e in literal.elements)]
    gaps[-1] = _joined(gaps[-1], closing)
    return Layout(list(literal.elements), gaps, isinstance(literal.elements[-1].comma, cst.Comma))


def into_dict(literal: cst.Dict, layout: Layout) -> cst.Dict:
    """The dictionary literal with these entries."""
    empty = not layout.items
    return literal.with_changes(
        elements=layout.separated(closing_after_comma=False),
        lbrace=literal.lbrace.with_changes(whitespace_after=layout.gaps[0]),
        rbrace=literal.rbrace.with_changes(whitespace_before=_NOTHING if empty else layout.gaps[-1]),
    )


def of_list(literal: cst.List) -> Layout:
    """The elements of a list literal."""
    first, closing = literal.lbracket.whitespace_after, literal.rbracket.whitespace_before
    gaps: list[Gap] = [first, *(_after(e.comma) for e in literal.elements)]
    gaps[-1] = _joined(gaps[-1], closing)
    return Layout(list(literal.elements), gaps, isinstance(literal.elements[-1].comma, cst.Comma))


def into_list(literal: cst.List, layout: Layout) -> cst.List:
    """The list literal with these elements."""
    empty = not layout.items
    return literal.with_changes(
        elements=layout.separated(closing_after_comma=False),
        lbracket=literal.lbracket.with_changes(whitespace_after=layout.gaps[0]),
        rbracket=literal.rbracket.with_changes(whitespace_before=_NOTHING if empty else layout.gaps[-1]),
    )


def of_tuple(literal: cst.Tuple) -> Layout:
    """The elements of a tuple, in parentheses or not."""
    first = literal.lpar[0].whitespace_after if literal.lpar else _NOTHING
    closing = literal.rpar[0].whitespace_before if literal.rpar else _NOTHING
    gaps: list[Gap] = [first, *(_after(e.comma) for e in literal.elements)]
    gaps[-1] = _joined(gaps[-1], closing)
    return Layout(list(literal.elements), gaps, isinstance(literal.elements[-1].comma, cst.Comma))


def into_tuple(literal: cst.Tuple, layout: Layout) -> cst.Tuple:
    """The tuple with these elements; one alone keeps its comma, and none need parentheses."""
    layout.trailing = layout.trailing or len(layout.items) == 1
    elements = layout.separated(closing_after_comma=False)
    if not literal.lpar:
        none = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]}
        return literal.with_changes(elements=elements, **({} if elements else none))
    gap = layout.gaps[-1] if elements else _NOTHING
    return literal.with_changes(
        elements=elements,
        lpar=[literal.lpar[0].with_changes(whitespace_after=layout.gaps[0]), *literal.lpar[1:]],
        rpar=[literal.rpar[0].with_changes(whitespace_before=gap), *literal.rpar[1:]],
    )


def of_import(statement: cst.ImportFrom) -> Layout:
    """The names of a `from` import that has no star."""
    names = statement.names
    assert not isinstance(names, cst.ImportStar)  # noqa: S101 (callers refuse stars)
    first = statement.lpar.whitespace_after if statement.lpar else _NOTHING
    closing = statement.rpar.whitespace_before if statement.rpar else _NOTHING
    gaps: list[Gap] = [first, *(_after(n.comma) for n in names)]
    gaps[-1] = _joined(gaps[-1], closing)
    return Layout(list(names), gaps, isinstance(names[-1].comma, cst.Comma))


def into_import(statement: cst.ImportFrom, layout: Layout) -> cst.ImportFrom:
    """The `from` import with these names."""
    statement = statement.with_changes(names=layout.separated(closing_after_comma=False))
    if statement.lpar is None or statement.rpar is None:
        return statement
    return statement.with_changes(
        lpar=statement.lpar.with_changes(whitespace_after=layout.gaps[0]),
        rpar=statement.rpar.with_changes(whitespace_before=layout.gaps[-1]),
    )


def of_with(statement: cst.With) -> Layout:
    """The context items of a `with`."""
    parenthesised = isinstance(statement.lpar, cst.LeftParen) and isinstance(statement.rpar, cst.RightParen)
    first: Gap = _NOTHING
    closing: Gap = _NOTHING
    if parenthesised:
        assert isinstance(statement.lpar, cst.LeftParen)  # noqa: S101 (just looked)
        assert isinstance(statement.rpar, cst.RightParen)  # noqa: S101 (same)
        first, closing = statement.lpar.whitespace_after, statement.rpar.whitespace_before
    gaps: list[Gap] = [first, *(_after(i.comma) for i in statement.items)]
    gaps[-1] = _joined(gaps[-1], closing)
    return Layout(list(statement.items), gaps, isinstance(statement.items[-1].comma, cst.Comma))


def into_with(statement: cst.With, layout: Layout) -> cst.With:
    """The `with` with these context items."""
    statement = statement.with_changes(items=layout.separated(closing_after_comma=False))
    if isinstance(statement.lpar, cst.LeftParen) and isinstance(statement.rpar, cst.RightParen):
        return statement.with_changes(
            lpar=statement.lpar.with_changes(whitespace_after=layout.gaps[0]),
            rpar=statement.rpar.with_changes(whitespace_before=layout.gaps[-1]),
        )
    return statement


def comment_after(layout: Layout, index: int) -> str:
    """The comment at the end of an item's line where the item stands there alone, else ""."""
    gap = layout.gaps[index + 1]
    if not isinstance(gap, cst.ParenthesizedWhitespace) or gap.first_line.comment is None:
        return ""
    return gap.first_line.comment.value if isinstance(layout.gaps[index], cst.ParenthesizedWhitespace) else ""


def _merged(before: Gap, after: Gap) -> Gap:
    """The gap in place of an item in the middle and the gaps around it."""
    if not isinstance(before, cst.ParenthesizedWhitespace):
        return after if isinstance(after, cst.ParenthesizedWhitespace) else before
    if not isinstance(after, cst.ParenthesizedWhitespace):
        return before
    # The item had its line to itself: its own comment goes, comment lines below it stay.
    return before.with_changes(empty_lines=[*before.empty_lines, *after.empty_lines])


def _merged_at_end(before: Gap, closing: Gap) -> Gap:
    """The gap in place of the last item and the gaps around it."""
    if not isinstance(before, cst.ParenthesizedWhitespace):
        return closing
    if isinstance(closing, cst.ParenthesizedWhitespace):
        lines = [*_comment_lines(before), *closing.empty_lines]
        return closing.with_changes(first_line=before.first_line, empty_lines=lines)
    return before if _comments(before) else closing


def _comment_lines(gap: cst.ParenthesizedWhitespace) -> list[cst.EmptyLine]:
    return list(gap.empty_lines) if any(line.comment for line in gap.empty_lines) else []


def _comments(gap: Gap) -> bool:
    return isinstance(gap, cst.ParenthesizedWhitespace) and (
        gap.first_line.comment is not None or any(line.comment for line in gap.empty_lines)
    )


def _plain(line: cst.TrailingWhitespace) -> cst.TrailingWhitespace:
    """The end of a line without its comment."""
    return cst.TrailingWhitespace(newline=line.newline)


def _after(comma: cst.Comma | cst.MaybeSentinel) -> Gap:
    return comma.whitespace_after if isinstance(comma, cst.Comma) else _NOTHING


def _joined(first: Gap, second: Gap) -> Gap:
    if isinstance(second, cst.SimpleWhitespace) and not second.value:
        return first
    return second
