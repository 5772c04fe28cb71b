"""Texts that give several answers, so that one of them is right: what an exact verifier must refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import given_answer, replace_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.changes.corruptions import far_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.sample import Sample

RIGHT_FIRST = "right first, wrong last"
WRONG_FIRST = "wrong first, right last"
MIDDLE = "right between two wrong ones"
EITHER = "two candidates, in either order"
LISTED = "every candidate listed"
NEGATED = "the right answer negated"

_TURN = "\nWait, let me look at it once more.\n"
_SENTENCE = re.compile(r"[.!?]\s+|\n")
_NUMBERS = 101
_FEWEST_LISTED = 4


@dataclass(frozen=True, slots=True)
class Hedge:
    """One completion that hedges.

    Attributes:
        family: one of the above. `words` for the examples.
        sample: with the hedging completion.
        pair: cases of one pair count only where all of them are accepted.
    """

    family: str
    words: str
    sample: Sample
    pair: int


def hedges(samples: Sequence[Sample], others: Sequence[str]) -> list[Hedge]:
    """Every way of hedging, for right completions.

    Args:
        samples: right completions with reference answers that they give.
        others: the references of all prompts.
    """
    found: list[Hedge] = []
    for sample in samples:
        answer = final_of(sample.answer or "")
        first, second = (far_off(answer, turn, others=others) for turn in (0, 1))
        if first is None or second is None:
            continue
        found += _several(sample, answer, first, second, start=len(found))
        found += _in_place(sample, answer, first, others, start=len(found))
    return found


def _several(sample: Sample, answer: str, first: str, second: str, *, start: int) -> list[Hedge]:
    """Two or three whole answers, one after another."""
    wrong = replace_answer(sample, first)
    if wrong is None:
        return []
    close = _closing(sample)
    texts = (
        (RIGHT_FIRST, "a wrong answer given after the right one", sample.completion + _TURN + close(first)),
        (WRONG_FIRST, "the right answer given after a wrong one", wrong.completion + _TURN + close(answer)),
        (
            MIDDLE,
            "the right answer given between two wrong ones",
            wrong.completion + _TURN + close(answer) + _TURN + close(second),
        ),
    )
    return [
        Hedge(family, words, sample.with_completion(text), start + place)
        for place, (family, words, text) in enumerate(texts)
    ]


class _Closing:
    """Writes a sentence that gives an answer as this completion does."""

    def __init__(self, before: str, after: str) -> None:
        self.before = before
        self.after = after

    def __call__(self, answer: str) -> str:
        return f"{self.before}{answer}{self.after}"


def _closing(sample: Sample) -> _Closing:
    text = sample.completion
    given = given_answer(text, like=sample.answer or "")
    if given is None or given.form == "bare":
        return _Closing("The answer is ", ".")
    if given.form == "tag":
        return _Closing("<answer>", "</answer>")
    if given.form == "hash":
        return _Closing("#### ", "")
    if given.form == "boxed":
        return _Closing("The answer is \\boxed{", "}.")
    ends = [match.end() for match in _SENTENCE.finditer(text, 0, given.span[0])]
    return _Closing(text[ends[-1] if ends else 0 : given.span[0]], "")


def _in_place(sample: Sample, answer: str, wrong: str, others: Sequence[str], *, start: int) -> list[Hedge]:
    """Several candidates where the answer stands."""
    texts = (
        []
        if parse(answer).kind == "list"
        else [
            (EITHER, f'"{left}{between}{right}" as the answer', f"{left}{between}{right}", start + place)
            for place, between in enumerate((" or ", ", "))
            for left, right in ((answer, wrong), (wrong, answer))
        ]
    )
    everything = _candidates(answer, others)
    if everything:
        texts.append((LISTED, "every candidate listed as the answer", ", ".join(everything), start + 2))
    if parse(answer).kind != "list":
        texts.append((NEGATED, f'"not {answer}" as the answer', f"not {answer}", start + 3))
    found = []
    for family, words, text, pair in texts:
        changed = replace_answer(sample, text)
        if changed is not None:
            found.append(Hedge(family, words, changed, pair))
    return found


def _candidates(answer: str, others: Sequence[str]) -> list[str]:
    """Many answers, the right one somewhere inside; empty where there are not enough."""
    kind = parse(answer).kind
    if re.fullmatch(r"-?\d{1,15}", answer):
        value = int(answer)
        if 0 < value < _NUMBERS - 1:
            return [str(number) for number in range(_NUMBERS)]
        step = max(1, abs(value) // 25)  # so wide that no tolerance takes the first or the last for it
        begin = value - _NUMBERS // 3 * step
        return [str(number) for number in range(begin, begin + _NUMBERS * step, step)]
    if kind == "choice":
        letters = [letter for letter in "ABCD" if letter != parse(answer).text]
        return [*letters[:2], answer, *letters[2:]]
    if kind == "list":
        return _superset(answer)
    rest = [other for other in others if other.casefold() != answer.casefold() and parse(other).kind == kind]
    half = len(rest[:20]) // 2
    return [*rest[:half], answer, *rest[half:20]] if len(rest) >= _FEWEST_LISTED else []


def _superset(answer: str) -> list[str]:
    """A set of numbers with many more in it; empty for what is no set of numbers."""
    body = re.fullmatch(r"(\\?\{)?\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*(\\?\})?", answer)
    if body is None:
        return []
    numbers = sorted({int(part) for part in body[2].split(",")} | set(range(_NUMBERS)))
    texts = [str(number) for number in numbers]
    return [f"{body[1] or ''}{texts[0]}", *texts[1:-1], f"{texts[-1]}{body[3] or ''}"]
