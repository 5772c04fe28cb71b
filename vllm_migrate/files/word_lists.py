"""Commands that are written as a list of words: `["vllm", "serve", "m"]` in Python, `args:` in YAML."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.files.flags import takes_value
from vllm_migrate.files.located import UNRESOLVED, Argument, Span, Value
from vllm_migrate.files.shell_flags import flags_among, server_flags_from
from vllm_migrate.files.shell_words import Word
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COMPUTED = "$"  # a word that only running tells, as a shell would write it
_SPREAD = "--"  # any number of words: no flag, and no flag's value


@dataclass(frozen=True, slots=True)
class Item:
    """One item of such a list.

    Attributes:
        word: what the program gets; None where it is computed.
        span: the item as written; `inside` without its quotes.
        spread: it stands for any number of words (`*more`).
    """

    word: str | None
    span: Span
    inside: Span
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A command that takes vLLM's engine arguments.

    Attributes:
        start: index of the item its flags begin at.
        owner: what takes them, as in `Argument.owner`.
        trl: it is TRL's, whose flags always have values.
    """

    start: int
    owner: str
    trl: bool


def server_in(items: Sequence[Item]) -> Server | None:
    """The server that the words start, None where they start something else."""
    words = _words(items)
    start, owner = server_flags_from(words)
    if start < 0:
        return None
    return Server(start, owner, any(word.text in ("trl", "vllm-serve") for word in words[:start]))


def flags_in(text: str, items: Sequence[Item], server: Server) -> Iterator[Argument]:
    """The flags among items that go to a server.

    A flag's span runs from its own item to that of its value. A flag whose value stands in another list is
    `fixed`.

    Args:
        text: the file as latin-1.
        items: those from the server's `start` on, or those of a list that is added to it.
        server: what they go to.
    """
    starts = {item.inside.start: index for index, item in enumerate(items)}
    for found in flags_among(text, _words(items), server.owner, values_always=server.trl):
        first = starts[found.span.start]
        last = max(index for start, index in starts.items() if start < found.span.end or index == first)
        value = found.value
        if any(item.word is None for item in items[first : last + 1]):
            value = Value(value.source, UNRESOLVED, value.name)
        flag = text[found.name_span.start : found.name_span.end]
        apart = found.value_span is None and (server.trl or takes_value(flag))
        span = Span(items[first].span.start, items[last].span.end)
        yield replace(found, value=value, span=span, items=None if apart else span, fixed=apart)


def _words(items: Sequence[Item]) -> list[Word]:
    return [
        Word(
            _SPREAD if item.spread else _COMPUTED if item.word is None else item.word,
            item.inside.start,
            item.inside.end,
            item.inside.start,
        )
        for item in items
    ]
