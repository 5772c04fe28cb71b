"""Texts as long as others: what tells a reward for length from one for what a change has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.reward.changes.prose import edited, prose_of

if TYPE_CHECKING:
    from vllm_migrate.reward.changes.prose import Edit, Prose
    from vllm_migrate.reward.sample import Sample

_FILL = ("", "e", "so", "and", "here", "along", "onward", "besides", "together", "alongside")
"""Words by their length; longer ones are drawn out."""
_WORD = re.compile(r"(?<= )[A-Za-z]+(?=[ .!?,])")


def length_twin(sample: Sample, changed: str) -> str | None:
    """The sample's completion, as long in characters and in words as `changed`, as far as that can be.

    Filling words stand behind the last sentence of its prose that may be changed; where it is to be shorter,
    words of its prose are dropped or cut. None where there is no prose, or too little of it.
    """
    prose = prose_of(sample)
    if not prose.sentences:
        return None
    characters = len(changed) - len(prose.text)
    words = len(changed.split()) - len(prose.text.split())
    if characters >= 0:
        return _longer(prose, characters, words)
    return _shorter(prose, -characters, -words)


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


def _shorter(prose: Prose, characters: int, words: int) -> str | None:
    """So many characters and words less: words go, from the last on, and others lose or gain letters."""
    found = [
        match.span()
        for sentence in prose.sentences
        for match in _WORD.finditer(prose.text, sentence.begin, sentence.end)
        if not any(begin < match.end() and match.start() < end for begin, end in prose.inline(sentence))
    ]
    if not found:
        return None
    words = max(0, min(words, len(found) - 1))
    kept, dropped = found[: len(found) - words], found[len(found) - words :]
    edits: list[Edit] = [(begin - 1, end, "") for begin, end in dropped]
    left = characters - sum(end - begin + 1 for begin, end in dropped)
    if left < 0:
        edits.append((kept[-1][1], kept[-1][1], "e" * -left))
    for begin, end in reversed(kept):
        if left <= 0:
            break
        fewer = min(left, end - begin - 1)
        edits.append((end - fewer, end, ""))
        left -= fewer
    return edited(prose.text, edits) if left <= 0 else None
