"""Bands of prompt lengths, prompts that share a prefix, and an even draw from both.

Divergence grows with the length of the context, and prefix caching acts only where prompts begin alike, so a
draw that misses long prompts, or takes one of every shared prefix, would not see either.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.prompts.rows import PromptLine
    from vllm_migrate.trace.model import Prompt

SHARED_TOKENS = 16
"""Tokens that prompts must have in common at the start to share a prefix: vLLM's usual block, the least that
its prefix cache can reuse."""

_SHARED_CHARACTERS = 64  # about as many tokens, of four characters each
_CHARACTERS_PER_TOKEN = 4


def choose(lines: Sequence[PromptLine], limit: int, *, strata: int, seed: int) -> list[int]:
    """Indices of `limit` prompts in their order: as many from each band of lengths, as far as it reaches.

    Within a band prompts that begin alike are drawn two by two, so that a draw keeps what they share.

    Args:
        lines: the prompts. Before tokenizing, a length is that of the text in characters.
        limit: how many.
        strata: how many bands, each of as many prompts; 0 for the first `limit` prompts.
        seed: of the draw.
    """
    if strata == 0 or limit >= len(lines):
        return list(range(min(limit, len(lines))))
    drawn = random.Random(seed)  # noqa: S311 - a repeatable draw, not a secret
    order = sorted(range(len(lines)), key=lambda index: (_length(lines[index]), index))
    count = min(strata, limit)
    bands = [order[len(order) * n // count : len(order) * (n + 1) // count] for n in range(count)]
    queues = [_shuffled(band, lines, drawn) for band in bands]
    chosen: list[int] = []
    while len(chosen) < limit:
        for queue in queues:
            if queue and len(chosen) < limit:
                chosen.append(queue.pop())
    return sorted(chosen)


def _shuffled(band: Sequence[int], lines: Sequence[PromptLine], drawn: random.Random) -> list[int]:
    """A band in random order, except that two prompts that begin alike stand together."""
    groups: dict[object, list[int]] = defaultdict(list)
    for index in band:
        groups[_beginning(lines[index])].append(index)
    units: list[list[int]] = []
    for members in groups.values():
        drawn.shuffle(members)
        units += [members[at : at + 2] for at in range(0, len(members), 2)]
    drawn.shuffle(units)
    return [index for unit in units for index in unit]


def _beginning(line: PromptLine) -> object:
    if line.token_ids:
        return line.token_ids[:SHARED_TOKENS]
    return _text(line)[:_SHARED_CHARACTERS]


def _length(line: PromptLine) -> int:
    return len(line.token_ids) * _CHARACTERS_PER_TOKEN if line.token_ids else len(_text(line))


def _text(line: PromptLine) -> str:
    return line.text or "\n".join(str(message["content"]) for message in line.messages)


def length_bands(lengths: Sequence[int], strata: int) -> list[str]:
    """The band of each length in words, such as "9-16 tokens".

    Bands hold about as many prompts each; there are fewer of them where many prompts are of one length.

    Args:
        lengths: of the prompts, tokens.
        strata: how many bands at most, at least 1.
    """
    ordered = sorted(lengths)
    edges = sorted({ordered[max(0, len(ordered) * (n + 1) // strata - 1)] for n in range(strata)})
    words = []
    for number, edge in enumerate(edges):
        low = ordered[0] if number == 0 else ordered[bisect_right(ordered, edges[number - 1])]
        words.append(f"{edge} tokens" if low == edge else f"{low}-{edge} tokens")
    return [words[bisect_left(edges, length)] for length in lengths]


def labelled(prompts: Sequence[Prompt], strata: int) -> tuple[Prompt, ...]:
    """The prompts with their bands of lengths and the numbers of the prefixes that they share.

    Args:
        prompts: all of them, as the bands and the prefixes depend on the others.
        strata: how many bands at most, at least 1.
    """
    bands = length_bands([len(prompt.token_ids) for prompt in prompts], strata)
    groups = prefix_groups([prompt.token_ids for prompt in prompts])
    return tuple(
        replace(prompt, stratum=band, group=group)
        for prompt, band, group in zip(prompts, bands, groups, strict=True)
    )


def prefix_groups(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Number of the shared prefix each prompt begins with, -1 where it shares none.

    Args:
        prompts: token ids.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, ids in enumerate(prompts):
        if len(ids) >= SHARED_TOKENS:
            groups[tuple(ids[:SHARED_TOKENS])].append(index)
    found = [-1] * len(prompts)
    for number, members in enumerate(members for members in groups.values() if len(members) > 1):
        for index in members:
            found[index] = number
    return found
