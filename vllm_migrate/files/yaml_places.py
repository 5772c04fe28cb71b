"""What goes from a YAML file when one of its entries or items goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.files.located import Span
from vllm_migrate.files.text import whole_lines

if TYPE_CHECKING:
    from vllm_migrate.files.yaml_lines import Entry


def entry_span(text: str, found: list[Entry], entry: Entry) -> Span:
    """What goes with an entry: its lines, its part of a flow collection, or its place behind a dash."""
    if entry.flow:
        return _flow_span(entry, entry)
    if not entry.key:
        return item_span(text, entry)
    if entry.opens_item:
        if entry.next_start >= 0:
            return Span(entry.start, entry.next_start)
        return item_span(text, found[entry.parent])
    return whole_lines(text, entry.line, entry.end)


def item_span(text: str, item: Entry) -> Span:
    """What goes with an item of a sequence."""
    return items_span(text, item, item)


def items_span(text: str, first: Entry, last: Entry) -> Span:
    """What goes with the items of a sequence from `first` to `last`."""
    if first.flow:
        return _flow_span(first, last)
    if text[first.line : first.start].strip():  # behind the dash or the key of what they stand in
        if first is last or last.next_start < 0:
            return Span(first.start, last.end)
        return Span(first.start, last.next_start)
    return whole_lines(text, first.line, last.end)


def _flow_span(first: Entry, last: Entry) -> Span:
    if last.next_start >= 0:
        return Span(first.start, last.next_start)
    return Span(first.previous_end if first.previous_end >= 0 else first.start, last.end)
