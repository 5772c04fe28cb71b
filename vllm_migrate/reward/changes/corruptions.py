"""Right completions made wrong: another number, another choice, the answer left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import answer_spans, compare, find_answer, replace_answer, wrong_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vllm_migrate.reward.sample import Sample

PLUS_ONE = "answer + 1"
NEAR = "answer a little off"
TWENTIETH = "answer off by a twentieth"
TENTH = "answer off by a tenth"
FARTHER = "answer off by half or more"
LONGER = "a digit more or less"
SIGN = "sign flipped"
DIGITS = "digits transposed"
OTHER = "another answer"
NEGATED = "conclusion negated"
DROPPED = "answer left out"
UNIT = "another unit"

_LITTLE = 0.045  # numbers closer than this may be one number to a tolerant verifier
_NUMBER = re.compile(r"(?P<sign>[-+]?)(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?P<rest>\.\d+)?")
_SENTENCE = re.compile(r"[.!?]\s|\n")
_UNITS = {
    "km": "miles",
    "m": "feet",
    "cm": "inches",
    "mm": "inches",
    "kg": "pounds",
    "g": "ounces",
    "hours": "minutes",
    "minutes": "seconds",
    "seconds": "hours",
    "days": "weeks",
    "meters": "feet",
    "miles": "km",
    "dollars": "euros",
}


@dataclass(frozen=True, slots=True)
class Corruption:
    """One completion made wrong.

    Attributes:
        family: one of the above. `words` for the examples.
        sample: with the changed completion.
    """

    family: str
    words: str
    sample: Sample


def corruptions(samples: Sequence[Sample], others: Sequence[str]) -> list[Corruption]:
    """Every corruption of right completions that give their reference answer.

    Args:
        samples: right completions with references.
        others: the references of all prompts.
    """
    found = []
    for sample in samples:
        answer = final_of(sample.answer or "")
        for family, new in _answers(answer, others):
            changed = replace_answer(sample, new) if compare(new, answer) is not True else None
            if changed is not None:
                found.append(Corruption(family, f"{new} instead of {answer}", changed))
        if parse(answer).kind == "text":
            changed = replace_answer(sample, f"not {answer}")
            if changed is not None:
                found.append(Corruption(NEGATED, f"not {answer} instead of {answer}", changed))
        dropped = without_answer(sample)
        if dropped is not None:
            found.append(Corruption(DROPPED, "the sentence that gives the answer left out", dropped))
    return found


def far_off(answer: str, turn: int = 0, *, others: Sequence[str] = ()) -> str | None:
    """A wrong answer that no tolerance takes for the right one; None where none can be made.

    Args:
        answer: the right one.
        turn: which of two.
        others: right answers of other prompts, for answers in words.
    """
    places = _plain_number(answer)
    if places is None:
        return wrong_answer(answer, turn, others=others)
    far = [text for family, text in _numbers(answer, places) if family == FARTHER]
    return far[min(turn, len(far) - 1)]


def without_answer(sample: Sample) -> Sample | None:
    """Without every sentence or line that gives the answer; None where the steps say it too."""
    text = sample.completion
    spans = answer_spans(text, sample.answer or "")
    if not spans:
        return None
    for begin, end in reversed(spans):
        ends = [match.end() for match in _SENTENCE.finditer(text, 0, begin)]
        after = _SENTENCE.search(text, end)
        text = text[: ends[-1] if ends else 0] + (text[after.end() :] if after else "")
    if find_answer(text, sample.answer or "") is not None:
        return None
    return sample.with_completion(text.strip())


def _answers(answer: str, others: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Families and wrong answers."""
    place = _plain_number(answer)
    if place is not None:
        yield from _numbers(answer, place)
        yield from _other_unit(answer, place)
        return
    for turn in range(2):
        wrong = wrong_answer(answer, turn, others=others)
        if wrong is not None:
            yield OTHER, wrong
    first = re.search(r"\d+", answer)
    if first is not None and first.end() < len(answer):
        yield OTHER, answer[: first.start()] + str(int(first[0]) + 1) + answer[first.end() :]


def _plain_number(answer: str) -> re.Match[str] | None:
    """The one number of an answer that is no fraction, power or formula."""
    places = list(_NUMBER.finditer(answer))
    plain = parse(answer).kind == "number" and len(places) == 1 and not re.search(r"\\|/|\^", answer)
    return places[0] if plain else None


def _numbers(answer: str, place: re.Match[str]) -> Iterator[tuple[str, str]]:
    digits = place["digits"].replace(",", "")
    decimals = len(place["rest"] or ".") - 1
    value = float(place["sign"] + digits + (place["rest"] or ""))
    comma = "," if "," in place["digits"] else ""

    def put(new: float) -> str:
        text = f"{new:{comma}.{decimals}f}".zfill(len(place[0]) if digits[0] == "0" and not decimals else 0)
        return answer[: place.start()] + text + answer[place.end() :]

    step = 10.0**-decimals
    away = step if value >= 0 else -step
    yield (PLUS_ONE if step >= _LITTLE * abs(value) else NEAR), put(value + step)
    if 0.045 * abs(value) >= step:
        yield TWENTIETH, put(value * 1.045)
    if 0.09 * abs(value) >= step:
        yield TENTH, put(value * 1.09)
    yield FARTHER, put(value * 1.5 + away)
    yield FARTHER, put(value * 2 + 3 * away)
    yield SIGN, put(-value) if value else put(-step)
    if value and not decimals:
        yield LONGER, answer[: place.end()] + "7" + answer[place.end() :]
    if len(digits) > 1 and not decimals:
        yield LONGER, answer[: place.start()] + place["sign"] + digits[:-1] + answer[place.end() :]
    turned = _transposed(digits)
    if turned is not None:
        new = float(place["sign"] + turned + (place["rest"] or ""))
        yield (DIGITS if abs(new - value) >= _LITTLE * abs(value) else NEAR), put(new)


def _transposed(digits: str) -> str | None:
    """Two neighbours exchanged, those that change the number most; None where that changes nothing."""
    turned = [digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :] for i in range(len(digits) - 1)]
    turned = [text for text in turned if text != digits and (text[0] != "0" or digits[0] == "0")]
    return max(turned, key=lambda text: abs(int(text) - int(digits)), default=None)


def _other_unit(answer: str, place: re.Match[str]) -> Iterator[tuple[str, str]]:
    rest = answer[place.end() :].strip()
    if rest in _UNITS:
        yield UNIT, answer[: place.end()] + " " + _UNITS[rest]
