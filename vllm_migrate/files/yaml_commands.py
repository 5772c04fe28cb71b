"""Servers that a YAML file starts: `command:` and `args:` of docker-compose, Kubernetes and their like.

A container's command may be split: Kubernetes' `args` follow its `command`, compose's `command` follows its
`entrypoint`, and where neither names a program, vLLM's own image starts the server itself.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Argument, Span
from vllm_migrate.files.shell_flags import flags_among
from vllm_migrate.files.shell_words import words_within
from vllm_migrate.files.word_lists import Item, Server, flags_in, server_in
from vllm_migrate.files.yaml_places import items_span
from vllm_migrate.files.yaml_values import literal
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.yaml_lines import Entry

_BEFORE = {"args": "command", "command": "entrypoint", "cmd": "entrypoint"}
_OWN_IMAGE = re.compile(
    r"(?:[\w.:-]+/)*vllm-openai(?:-cpu|-rocm|-xpu)?(?::|@|$)|(?:.*/)?vllm-cpu-release-repo:"
)
_FOLDED = re.compile(r">[+-]?\d?[+-]?")
_LINE_END = re.compile(r"\\?\r?\n")


@dataclass(frozen=True, slots=True)
class _Words:
    """The items of a list, with the entries they are."""

    items: list[Item]
    entries: list[Entry]


def command_flags(text: str, found: list[Entry]) -> Iterator[Argument]:
    """The flags of servers whose words are written one by one, or follow the program of an image."""
    if not any(entry.key in ("command", "args", "entrypoint", "cmd") for entry in found):
        return
    children: dict[int, list[Entry]] = {}
    for entry in found:
        children.setdefault(entry.parent, []).append(entry)
    places = {id(entry): index for index, entry in enumerate(found)}

    def words_of(entry: Entry | None) -> _Words | None:
        if entry is None or not entry.children:
            return None
        items = children.get(places[id(entry)], [])
        plain = all(not item.key and not item.children for item in items)
        return _Words([_item(text, item) for item in items], items) if plain else None

    for entry in found:
        if entry.key not in ("command", "args", "entrypoint", "cmd"):
            continue
        beside = {other.key: other for other in children[entry.parent]}
        before = beside.get(_BEFORE.get(entry.key, ""))
        words = words_of(entry)
        image = _starts_server(text, beside, before)
        if words is None:
            if entry.value.start < entry.value.end and not entry.children and image:
                yield from _written_out(text, entry)
            continue
        if before is None and image and _is_flag(words.items[:1]):
            yield from _flags(text, words, Server(0, "engine", trl=False))
            continue
        ahead = words_of(before)
        server = server_in([*(ahead.items if ahead else []), *words.items])
        if server is not None:
            skipped = len(ahead.items) if ahead else 0
            own = replace(server, start=max(0, server.start - skipped))
            yield from _flags(text, words, own)


def flat(text: str, entry: Entry) -> str:
    """`text` with the lines of a folded scalar (`>`) joined as YAML joins them, at the same offsets."""
    start, end = entry.value.start, entry.value.end
    opening = text[entry.key_span.end : start]
    if not entry.block or not _FOLDED.search(opening):
        return text
    joined = _LINE_END.sub(lambda match: " " * len(match[0]), text[start:end])
    return text[:start] + joined + text[end:]


def _starts_server(text: str, beside: dict[str, Entry], before: Entry | None) -> bool:
    """Whether the words are handed to the program of vLLM's own image."""
    image = beside.get("image")
    if image is None or before is not None:
        return False
    name = literal(text[image.value.start : image.value.end])
    return isinstance(name, str) and _OWN_IMAGE.match(name) is not None


def _is_flag(items: list[Item]) -> bool:
    return bool(items) and (items[0].word or "").startswith("--")


def _item(text: str, entry: Entry) -> Item:
    start, end = entry.value.start, entry.value.end
    quoted = text[start : start + 1] in ("'", '"') and end - start > 1
    inside = Span(start + quoted, end - quoted)
    written = text[inside.start : inside.end]
    computed = entry.block or "$" in written or "{{" in written or (quoted and "\\" in written)
    span = Span(entry.start if entry.flow else start, end)
    return Item(None if computed else written, span, inside)


def _flags(text: str, words: _Words, server: Server) -> Iterator[Argument]:
    items, entries = words.items[server.start :], words.entries[server.start :]
    starts = {item.span.start: index for index, item in enumerate(items)}
    ends = {item.span.end: index for index, item in enumerate(items)}
    for argument in flags_in(text, items, server):
        first, last = entries[starts[argument.span.start]], entries[ends[argument.span.end]]
        whole = None if argument.fixed else items_span(text, first, last)
        yield replace(argument, items=whole)


def _written_out(text: str, entry: Entry) -> Iterator[Argument]:
    """`command: --model m --swap-space 4`, perhaps over several lines."""
    start, end = entry.value.start, entry.value.end
    if not entry.block:
        end = max(end, entry.end)  # a plain scalar goes on below
        while end > start and text[end - 1] in " \t\r\n":
            end -= 1
        if text[start] in "'\"" and text[end - 1] == text[start]:
            start, end = start + 1, end - 1
    if not text[start:end].lstrip().startswith("--"):
        return
    try:
        words = words_within(text, start, end)
    except InputError:
        return
    yield from flags_among(text, words, "engine", values_always=False)
