"""Completions made longer, or shorter, by sentences that say nothing about the question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.changes.prose import edited, prose_of, put_last

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.reward.sample import Sample

_SUBJECTS = (
    "This part of the text", "The page", "The draft", "Each line here", "The whole paragraph",
    "The present section", "Every sentence around here", "The written record", "This stretch of writing",
    "The middle of the text", "The material at hand", "What stands here",
)  # fmt: skip
_VERBS = (
    "follows", "belongs to", "keeps to", "sits beside", "repeats", "mirrors", "extends", "fills", "matches",
    "continues", "accompanies",
)  # fmt: skip
_OBJECTS = (
    "the usual layout", "the rest of the page", "the same quiet pace", "the lines around it",
    "an ordinary pattern", "the common arrangement", "the general shape of the text",
    "the plain manner of writing",
    "the surrounding paragraphs", "the customary order", "the familiar outline", "the width of the page",
    "the even rhythm of the whole",
)  # fmt: skip
_MOST = 20_000  # characters of filler


def sentence(number: int) -> str:
    """One of 1,716 different neutral sentences: no digits, no claims, no words that mark steps or answers."""
    return f"{_part(_SUBJECTS, number)} {_part(_VERBS, number)} {_part(_OBJECTS, number)}."


def _part(words: tuple[str, ...], number: int) -> str:
    return words[number % len(words)]  # 12, 11 and 13 have no common divisor: all of them come together


def filler(characters: int, start: int = 0) -> str:
    """Neutral sentences, at least so many characters."""
    found: list[str] = []
    length = 0
    while length < min(characters, _MOST):
        found.append(sentence(start + len(found)))
        length += len(found[-1]) + 1
    return " ".join(found)


def padded(characters: Callable[[Sample], int]) -> Callable[[Sample], str | None]:
    """A change that adds so many characters of filler before the answer."""

    def apply(sample: Sample) -> str | None:
        more = characters(sample)
        return put_last(prose_of(sample), filler(more, len(sample.completion))) if more > 0 else None

    return apply


def on_lines(sample: Sample) -> str | None:
    """Three lines of filler above the line of prose that stands last."""
    prose = prose_of(sample)
    lines = [one for one in prose.sentences if one.first]
    if not lines:
        return None
    at = lines[-1].marker
    at = len(prose.text[:at].rstrip(" \t"))
    new = "".join(sentence(len(prose.text) + number) + "\n" for number in range(3))
    return edited(prose.text, [(at, at, new)])


def repeated(sample: Sample) -> str | None:
    """Its own sentences once more before the answer, up to its own length: filler that looks like it."""
    prose = prose_of(sample)
    own = [prose.text[one.begin : one.end] for one in prose.sentences]
    own = [words for words in own if words[-1] in ".!" and not any(c.isdigit() for c in words)]
    if not own:
        return None
    times = max(1, len(prose.text) // sum(len(words) + 1 for words in own))
    return put_last(prose, " ".join(own * times))


def trimmed(sample: Sample) -> str | None:
    """Without every second sentence of its prose that holds no figures."""
    prose = prose_of(sample)
    free = [one for one in prose.sentences if not any(c.isdigit() for c in prose.text[one.begin : one.end])]
    edits = []
    for one in free[1::2]:
        begin = len(prose.text[: one.begin].rstrip(" \t"))
        edits.append((begin if not one.first else one.begin, one.end, ""))
    return edited(prose.text, edits) if edits else None
