"""The same words in another style: lists, headers, bold type, typography. The answer is left alone.

Every function takes a sample and gives its completion restyled, or None where there is nothing to restyle.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import marked_answers
from vllm_migrate.reward.changes.prose import edited, frames_answer, prose_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.reward.changes.prose import Edit, Prose
    from vllm_migrate.reward.sample import Sample

_MARKER = re.compile(r"[ \t]*(?:#{1,6}[ \t]+|[-*+\u2022][ \t]+|\d{1,3}[.)][ \t]+|>[ \t]?)")
_EMPHASIS = re.compile(r"\*\*([^*\n]+)\*\*|__([^_\n]+)__|(?<![*\w])\*([^*\s][^*\n]*)\*(?![*\w])")
_TWO_WORDS = re.compile(r"[A-Za-z][\w'\u2019]*(?: [A-Za-z][\w'\u2019]*)?")
_MINUS = re.compile(r"(?<=\d)(?: - |-)(?=\d)|(?<=[a-z)] )-(?= [\da-z(])|(?<![\w-])-(?=\d)")
_OPERATOR = re.compile(r" {0,2}([=+]) {0,2}")
_APOSTROPHE = re.compile(r"(?<=[A-Za-z])'(?=[A-Za-z])")


def bullets(sample: Sample) -> str | None:
    """Sentences become the items of a list."""
    return _listed(prose_of(sample), lambda _: "- ")


def numbered(sample: Sample) -> str | None:
    """Sentences become numbered steps; not where they would bring in the only numbers beside a number."""
    number = sample.answer is None or any(c.isdigit() for c in sample.answer)
    if number and not any(c.isdigit() for c in sample.completion):
        return None
    return _listed(prose_of(sample), lambda number: f"{number}. ")


def _listed(prose: Prose, marker: Callable[[int], str]) -> str | None:
    """Sentences on lines of their own, with a marker in front; what is an item already stays."""
    edits: list[Edit] = []
    number = 0
    for run in prose.runs():
        if run[0].marker < run[0].begin:
            continue
        for sentence in run:
            number += 1
            begin = len(prose.text[: sentence.begin].rstrip(" \t"))
            if prose.text[:begin].endswith(">"):
                continue  # a line break beside a tag would be another structure
            own_line = begin == 0 or prose.text[begin - 1] == "\n"
            edits.append((begin, sentence.begin, ("" if own_line else "\n") + marker(number)))
        rest = prose.text[run[-1].end :]
        if not run[-1].last and not rest.startswith("<"):  # what follows begins a line of its own
            edits.append((run[-1].end, run[-1].end + len(rest) - len(rest.lstrip(" \t")), "\n"))
    return edited(prose.text, edits) if edits else None


def header(sample: Sample) -> str | None:
    """A header above the first line of prose."""
    prose = prose_of(sample)
    for sentence in prose.sentences:
        if sentence.first:
            begin = len(prose.text[: sentence.marker].rstrip(" \t"))
            if begin == 0 or prose.text[begin - 1] == "\n":
                return edited(prose.text, [(begin, begin, "## Working\n\n")])
    if not prose.sentences:
        return None
    begin = len(prose.text[: prose.sentences[0].begin].rstrip(" \t"))
    if prose.text[:begin].endswith(">"):
        return None  # a line break beside a tag would be another structure
    return edited(prose.text, [(begin, prose.sentences[0].begin, "\n## Working\n\n")])


def bold(sample: Sample) -> str | None:
    """The first words of every sentence in bold type."""
    prose = prose_of(sample)
    edits: list[Edit] = []
    for sentence in prose.sentences:
        words = _TWO_WORDS.match(prose.text, sentence.begin, sentence.end)
        if words is not None:
            edits += [(words.start(), words.start(), "**"), (words.end(), words.end(), "**")]
    return edited(prose.text, edits) if edits else None


def plain(sample: Sample) -> str | None:
    """Markers of lists and headers, and emphasis, taken away."""
    prose = prose_of(sample)
    edits: list[Edit] = []
    begin = 0
    for line in prose.text.split("\n"):
        end = begin + len(line)
        if line.strip() and not frames_answer(line) and not prose.touches_fixed(begin, end):
            match = _MARKER.match(line)
            if match is not None and match.end() < len(line):
                edits.append((begin, begin + match.end(), ""))
            emphasised = _EMPHASIS.finditer(line, match.end() if match is not None else 0)
            edits += [
                (begin + one.start(), begin + one.end(), one[1] or one[2] or one[3]) for one in emphasised
            ]
        begin = end + 1
    return edited(prose.text, edits) if edits else None


def minus(sample: Sample) -> str | None:
    """Hyphens that stand for minus signs in the working become real ones (U+2212)."""
    return _in_sentences(sample, _MINUS, lambda match: match[0].replace("-", "\u2212"))


def apostrophes(sample: Sample) -> str | None:
    """Straight apostrophes become typographic ones."""
    return _in_sentences(sample, _APOSTROPHE, lambda _: "\u2019")


def _in_sentences(
    sample: Sample, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str]
) -> str | None:
    prose = prose_of(sample)
    edits = [
        (*match.span(), new(match))
        for sentence in prose.sentences
        for match in pattern.finditer(prose.text, sentence.begin, sentence.end)
    ]
    return edited(prose.text, edits) if edits else None


def latex_spacing(sample: Sample) -> str | None:
    r"""Thin spaces (`\,`) around the operators of formulas in the working."""
    prose = prose_of(sample)
    edits: list[Edit] = []
    for sentence in prose.sentences:
        for begin, end in prose.math(sentence):
            new = _OPERATOR.sub(r" \\, \1 \\, ", prose.text[begin:end])
            edits.append((begin, end, new))
    return edited(prose.text, edits) if edits else None


def periods(sample: Sample) -> str | None:
    """Full stops at the ends of lines taken away, or added where lines have none."""
    prose = prose_of(sample)
    ends = [sentence.end for sentence in prose.sentences if sentence.last]
    edits: list[Edit] = [(end - 1, end, "") for end in ends if prose.text[end - 1] == "."]
    edits += [(end, end, ".") for end in ends if prose.text[end - 1].isalnum()] if not edits else []
    return edited(prose.text, edits) if edits else None


def boxed_or_header(sample: Sample) -> str | None:
    """The answer under a header instead of in a box; in a box, where a line gives it."""
    text = sample.completion
    marked = marked_answers(text)
    boxed = [one for one in marked if one.form == "boxed"]
    if boxed:
        last = boxed[-1]
        begin = text.rfind("\\", 0, last.span[0])
        end = text.find("}", last.span[1]) + 1
        if begin > 0 and text[begin - 1] == "$" and text[end : end + 1] == "$":
            begin, end = begin - 1, end + 1
        return edited(text, [(begin, end, f"\n\n# Answer\n\n{last.text}\n")])
    lines = [one for one in marked if one.form == "line"]
    return edited(text, [(*lines[-1].span, f"\\boxed{{{lines[-1].text}}}")]) if lines else None
