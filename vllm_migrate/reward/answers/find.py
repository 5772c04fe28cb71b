"""Where the answer stands in a completion, and how another one is put in its place.

Answers are marked in a few common ways, strongest first: in a box, in `<answer>` tags, after `####`, after
"Answer:" or "the answer is". Where nothing marks it, it is the last thing in the text that says the same.
A span is a pair of character offsets, end excluded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.reward.answers.made import made_samples, wrong_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import boxes, compare, final_of, same_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.reward.sample import Sample

__all__ = [
    "Given",
    "Span",
    "answer_spans",
    "compare",
    "find_answer",
    "given_answer",
    "made_samples",
    "marked_answers",
    "protected_spans",
    "replace_answer",
    "same_answer",
    "with_reference",
    "wrong_answer",
]

Span = tuple[int, int]

FORMS = ("boxed", "tag", "hash", "line")
"""How answers are marked, strongest first. An answer that nothing marks is "bare"."""

_TAG = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL | re.IGNORECASE)
_HASH = re.compile(r"####[ \t]*([^\n]+)")
_LINE = re.compile(
    r"\b(?:final\s+|correct\s+)?(?:answer|solution|result)\b(?:\s+to\s+[^.:\n]{0,80})?[*_\"]*"
    r"(?:\s*(?:\bis\b\s*:?|:|=)[*_]*)[ \t]*\n?[ \t]*(?=(?P<value>[^\n]{1,200}))",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|<[|/]")
_NUMBER = re.compile(
    r"(?<![\w.\\])(?:(?:(?<=[\s(\[{=:$,])|^)[-+\u2212]\s?)?[$€£]?"
    r"(?:\\[dt]?frac\{[^{}]*\}\{[^{}]*\}|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"
    r"|\d(?: \d)+(?!\d)|\d+(?:\.\d+)?|\.\d+)"
    r"(?:/\d+)?(?:\s?\\?%)?(?![\w])",
    re.MULTILINE,
)
_CHOICE = re.compile(r"\(([A-J])\)|(?<![\w'])([A-J])(?![\w'])")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_MOST_NUMBERS = 200
_MOST_MARKS = 50  # of each form, the last ones


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that a completion gives.

    Attributes:
        span: of its text in the completion.
        text: without what is around it.
        form: one of `FORMS`, or "bare".
    """

    span: Span
    text: str
    form: str


def marked_answers(completion: str) -> list[Given]:
    """Every answer that is marked as one, strongest form first, within a form in their order.

    A mark around another one (a box in answer tags) gives way to it.
    """
    spans = {
        "boxed": [_trimmed(completion, span) for span in boxes(completion)],
        "tag": [_trimmed(completion, match.span(1)) for match in _TAG.finditer(completion)],
        "hash": [_trimmed(completion, match.span(1)) for match in _HASH.finditer(completion)],
        "line": [_line_value(completion, match.span("value")) for match in _LINE.finditer(completion)],
    }
    found = [Given(span, "", form) for form in FORMS for span in spans[form][-_MOST_MARKS:]]
    kept = [
        one
        for one in found
        if one.span[0] < one.span[1]
        and not any(
            _overlaps(one.span, other.span) and FORMS.index(other.form) < FORMS.index(one.form)
            for other in found
        )
    ]
    return [replace(one, text=completion[slice(*one.span)]) for one in kept]


def given_answer(completion: str, *, like: str = "") -> Given | None:
    """The answer that a completion gives, right or wrong; None where it gives none, or several.

    Thoughts are left out where `</think>` ends them.

    Args:
        completion: the text.
        like: the reference answer: what nothing marks is looked for among numbers where it is a number, among
            letters where it is a choice.
    """
    begin = max(completion.rfind("</think>"), 0)
    marked = [one for one in marked_answers(completion) if one.span[0] >= begin]
    if marked:
        best = [one for one in marked if one.form == marked[0].form]
        return best[-1] if all(compare(one.text, best[-1].text) is not False for one in marked) else None
    kind = parse(final_of(like)).kind if like else "number"
    pattern = _NUMBER if kind == "number" else _CHOICE if kind == "choice" else None
    places = [match.span() for match in pattern.finditer(completion, begin)] if pattern is not None else []
    return Given(places[-1], completion[slice(*places[-1])], "bare") if places else None


def find_answer(completion: str, answer: str) -> Span | None:
    """Where a completion says this answer: marked places first, then the last place that says the same.

    Args:
        completion: the text.
        answer: the reference; of a whole solution, what it ends in.
    """
    target = final_of(answer)
    if not target:
        return None
    marked = marked_answers(completion)
    for form in FORMS:
        for one in reversed([one for one in marked if one.form == form]):
            span = _within(completion, one.span, target)
            if span is not None:
                return span
    places = list(_places(completion, target, 0))
    return max(places, key=lambda span: (span[1], -span[0])) if places else None


def answer_spans(completion: str, answer: str) -> list[Span]:
    """Every place where a completion gives this answer as its answer, in their order.

    Marked places, and what says the same from the first of them on; where there are none, what says the same
    in the last sentence that does. Steps on the way to the answer are left alone.
    """
    target = final_of(answer)
    first = find_answer(completion, answer)
    if first is None:
        return []
    marked = [_within(completion, one.span, target) for one in marked_answers(completion)]
    spans = [span for span in marked if span is not None]
    if not spans:
        ends = [match.end() for match in re.finditer(r"[.!?]\s|\n", completion[: first[0]])]
        spans, begin = [first], ends[-1] if ends else 0
    else:
        begin = min(spans)[0]
    if parse(target).kind not in {"choice", "text"}:
        spans += _places(completion, target, begin)
    kept: list[Span] = []
    for span in sorted(set(spans), key=lambda span: (span[0], -span[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def protected_spans(completion: str, answer: str | None = None) -> list[Span]:
    """What a change that keeps the answer leaves alone: all that is marked or says the same."""
    spans = [one.span for one in marked_answers(completion)]
    if answer is not None:
        spans += answer_spans(completion, answer)
        spans += _places(completion, final_of(answer), 0)
    elif not spans:
        given = given_answer(completion)
        spans += [given.span] if given is not None else []
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def replace_answer(sample: Sample, new: str) -> Sample | None:
    """The sample with another answer wherever it gives the reference's; None where it doesn't.

    Digits that the completion writes with spaces between them are written so again.
    """
    spans = answer_spans(sample.completion, sample.answer) if sample.answer is not None else []
    if not spans:
        return None
    text = sample.completion
    for begin, end in reversed(spans):
        spaced = re.fullmatch(r"\d(?: \d)+", text[begin:end]) and new.isdigit()
        text = text[:begin] + (" ".join(new) if spaced else new) + text[end:]
    return sample.with_completion(text)


def with_reference(sample: Sample, answer: str) -> Sample | None:
    """The same completion held against another reference answer; None where no column holds the old one."""
    if sample.answer is None:
        return None
    columns = {name: _swapped(value, sample.answer, answer) for name, value in sample.columns.items()}
    return None if columns == sample.columns else replace(sample, columns=columns, answer=answer)


def _swapped(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _swapped(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_swapped(item, old, new) for item in value]
    if isinstance(value, bool) or value is None or str(value) != old:
        return value
    try:
        return type(value)(new)  # a number stays one
    except (TypeError, ValueError):
        return new


def _places(completion: str, target: str, begin: int) -> Iterator[Span]:
    """Where the target stands as a token of its own, and what says the same."""
    if not target:
        return
    for match in re.finditer(re.escape(target), completion):
        if match.start() >= begin and _is_token(completion, match.span()):
            yield match.span()
    if parse(target).kind in {"choice", "text", "list"}:
        return
    for match in list(_NUMBER.finditer(completion, begin))[-_MOST_NUMBERS:]:
        if compare(match[0], target) is True:
            yield match.span()


def _is_token(text: str, span: Span) -> bool:
    """Whether it is no part of a longer word or number."""
    before, after = text[: span[0]][-2:], text[span[1] :][:2]
    inside = text[slice(*span)]
    if before and _joins(before[-1]) and _joins(inside[0]):
        return False
    if after and _joins(after[0]) and _joins(inside[-1]):
        return False
    if inside[0].isdigit() and (re.fullmatch(r"\d?[.,/]|.?\\", before) and before[:1] not in {" ", "\n"}):
        return False
    if inside[0].isdigit() and before[-1:] in {"-", "\u2212"} and not before[:1].isalnum():
        return False  # 42 is not what -42 says
    return not (inside[-1].isdigit() and re.fullmatch(r"[.,/]\d", after))


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_"


def _within(completion: str, span: Span, target: str) -> Span | None:
    """The target's own words in a marked place, or all of it where that says the same; else None."""
    value = completion[slice(*span)]
    says = compare(value, target)
    for match in reversed(list(re.finditer(re.escape(target), value))):
        if says is not False and _is_token(value, match.span()) and (says or _mostly(value, target)):
            return span[0] + match.start(), span[0] + match.end()
    return span if says else None


def _mostly(value: str, target: str) -> bool:
    """Whether a marked value is the target with few words around it: "42 because ..." or "B, since ..."."""
    return value.startswith(target) or len(value) <= len(target) + 30


def _trimmed(text: str, span: Span) -> Span:
    """Without white space, dollar signs and emphasis around it."""
    begin, end = span
    while begin < end and text[begin] in " \t\n\r*`":
        begin += 1
    while begin < end and text[end - 1] in " \t\n\r*`":
        end -= 1
    if end - begin > 1 and text[begin] == "$" == text[end - 1]:
        return _trimmed(text, (begin + 1, end - 1))
    return begin, end


def _line_value(text: str, span: Span) -> Span:
    """Of what follows "Answer:", the value: up to the sentence's end."""
    begin, end = span
    stop = _SENTENCE_END.search(text, begin, end)
    if stop is not None and stop.start() > begin:
        end = stop.start()
    begin, end = _trimmed(text, (begin, end))
    while end > begin and text[end - 1] in _CLOSING and _CLOSING[text[end - 1]] not in text[begin:end]:
        end -= 1  # "(Answer: 42)"
    value = text[begin:end]
    if parse(value).kind == "text":  # a value and more words after it
        head = re.match(_NUMBER.pattern + r"(?=[\s,;:])|\(?[A-J]\)?(?=[\s,;:.)]|$)", value)
        if head is not None:
            end = begin + head.end()
    return begin, end


def _overlaps(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]
