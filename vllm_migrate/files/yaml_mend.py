"""What a YAML mapping becomes when its last entry goes: `{}`, not null, which can't be iterated."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vllm_migrate.files.text import as_latin1
from vllm_migrate.files.yaml_lines import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.yaml_lines import Entry


def fill_emptied(before: bytes, after: bytes) -> bytes:
    """`after` with `{}` or `[]` behind each key that had entries in `before` and has none left.

    Raises:
        InputError: where one of both can't be read.
    """
    had = dict(_containers(before))
    text = after
    for entry, name in reversed(list(_bare(after))):
        if name in had:
            colon = after.index(b":", entry.key_span.end) + 1
            text = text[:colon] + (b" []" if had[name] else b" {}") + text[colon:]
    return text


_Name = tuple[tuple[str, ...], str, int]
"""A key's path, the key, and which one of that name it is."""


def _named(source: bytes) -> Iterator[tuple[int, Entry, list[Entry], _Name]]:
    found = entries(as_latin1(source))
    seen: Counter[tuple[tuple[str, ...], str]] = Counter()
    for index, entry in enumerate(found):
        if entry.key and not entry.flow:
            seen[entry.path, entry.key] += 1
            yield index, entry, found, (entry.path, entry.key, seen[entry.path, entry.key])


def _containers(source: bytes) -> Iterator[tuple[_Name, bool]]:
    """Keys with entries of their own below them, and whether those are a sequence's items."""
    for index, entry, found, name in _named(source):
        if entry.children and entry.value.start == entry.value.end:
            child = next(e for e in found if e.parent == index)
            yield name, not child.key


def _bare(source: bytes) -> Iterator[tuple[Entry, _Name]]:
    for _, entry, _, name in _named(source):
        if not entry.children and not entry.block and entry.value.start == entry.value.end:
            yield entry, name
