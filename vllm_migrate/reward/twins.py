"""Texts as long as others: what tells a reward for length from one for what a change has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.reward.prose import edited, prose_of

if TYPE_CHECKING:
    from vllm_migrate.reward.prose import Prose
    from vllm_migrate.reward.sample import Sample

_FILL = ("", "e", "so", "and", "here", "along", "onward", "besides", "together", "alongside")
"""Words by their length; longer ones are drawn out."""
_WORD = re.compile(r"(?<= )[A-Za-z]+(?: |(?=[.!?]))")


def length_twin(sample: Sample, changed: str) -> str | None:
    """The sample's completion, as long in characters as `changed`, and where it is longer in words too.

    Filling words stand behind the last sentence of its prose that may be changed; where it is to be shorter,
    words of its prose are dropped. None where there is no prose, or too little of it.
    """
    prose = prose_of(sample)
    if not prose.sentences:
        return None
    characters = len(changed) - len(prose.text)
    words = len(changed.split()) - len(prose.text.split())
    if characters >= 0:
        return _longer(prose, characters, words)
    return _shorter(prose, -characters)


def filling(characters: int, words: int) -> str:
    """So many words with a space in front of each, so many characters together as far as that can be.

    Args:
        characters: at least twice as many as words.
        words: 0 for as many as look usual.
    """
    words = max(1, min(words if words > 0 else round(characters / 6), characters // 2))
    letters = characters - words
    sizes = [letters // words + (place < letters % words) for place in range(words)]
    return "".join(" " + (_FILL[size] if size < len(_FILL) else "on" + "n" * (size - 2)) for size in sizes)


def _longer(prose: Prose, characters: int, words: int) -> str:
    at = prose.sentences[-1].end
    if prose.text[at - 1] in ".!?:":
        at -= 1
    new = " " if characters == 1 else filling(characters, words) if characters else ""
    return edited(prose.text, [(at, at, new)])


def _shorter(prose: Prose, characters: int) -> str | None:
    """Words are dropped from the last on until it is short enough, and any excess is filled in again."""
    text, left = prose.text, characters
    for sentence in reversed(prose.sentences):
        inline = prose.inline(sentence)
        for match in reversed(list(_WORD.finditer(text, sentence.begin, sentence.end))):
            if any(begin < match.end() and match.start() < end for begin, end in inline):
                continue
            text = text[: match.start()] + text[match.end() :]
            left -= len(match[0])
            if left <= 0:
                at = match.start()
                extra = (filling(-left, 0)[1:] + " ")[:-left] if left < 0 else ""
                return text[:at] + extra + text[at:]
    return None
