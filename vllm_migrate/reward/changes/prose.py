"""Where a completion's prose stands: the sentences that may be reworded, restyled or moved apart.

Left alone is whatever says or frames the answer, and whatever a reward may rightly insist on: tags and the
white space beside them, code, JSON, labels such as "Reasoning:", boxes. So a reward for a structure is not
asked to do without it; what changes stands inside of it. A span is a pair of character offsets, end excluded.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import given_answer, protected_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.sample import Sample

Span = tuple[int, int]
Edit = tuple[int, int, str]
"""From where to where, and what to put there."""

_FENCE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r"</?[A-Za-z_|][^<>\n]{0,80}>")
_TOOL = re.compile(
    r"<(tool_call|tool_response|code|python|function)>.{0,5000}?</\1>", re.DOTALL | re.IGNORECASE
)
_BOX = re.compile(r"\\(?:boxed|fbox)\b")
_ENVIRONMENT = re.compile(
    r"\\begin\{(\w{1,20}\*?)\}.{0,2000}?\\end\{\1\}|\$\$[^$]{0,2000}\$\$|\\\[.{0,1000}?\\\]", re.DOTALL
)
_MATH = re.compile(r"\$[^$\n]+\$|\\\(.{0,500}?\\\)")
_INLINE = re.compile(
    r"`[^`\n]+`|\$[^$\n]+\$|\\\(.{0,500}?\\\)|https?://\S+|\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d"
)
_ANSWER_WORDS = re.compile(
    r"\b(?:final|correct)?\s{0,3}(?:answers?|solution|result)\b\s{0,3}[*_]{0,3}\s{0,3}(?:\bis\b|:|=|$)"
    r"|####|\bhope it is correct",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[ \t]*(?:[*_]{1,3})?[A-Z][\w]*(?: [\w]+){0,3}(?:[*_]{1,3})?:(?:[*_]{1,3})?(?=[ \t]|$)")
_MARKER = re.compile(r"[ \t]*(?:#{1,6}[ \t]+|[-*+\u2022][ \t]+|\d{1,3}[.)][ \t]+|>[ \t]?)")
_BOUNDARY = re.compile(r"(?<=[.!?])[\"')*_]{0,3}[ \t]+(?=[\"'(*_$\\]{0,3}[A-Z0-9$\\])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|Mr|Mrs|Dr|Fig|Eq|No|approx)\.|(?:^|\s)(?:\d+|[A-Z])\.)$"
)
_WORD = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)?")
_CODE = re.compile(
    r"[{}|]|\w\(|\w\[|;\s*$|==|!=|:=|\+=|->|^\s*(?:def|class|import|return)\s|^\s*(?:for|if|while)\b.*:$"
)
_LETTER = re.compile(r"\s*[*(\[]*[A-J](?:[\])*.:]+(?=\s|$)|\s*(?=\n|$))")  # a choice that opens the text
_FEWEST_WORDS = 2
_LETTERS = 0.55  # of a sentence's visible characters, outside its formulas


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that may be changed.

    Attributes:
        begin, end: without white space around it, and without a list's or header's marker in front of it.
        first, last: whether it begins its line (behind such a marker at most), and ends it.
        marker: where the marker in front of it begins; `begin` where it has none.
    """

    begin: int
    end: int
    first: bool
    last: bool
    marker: int


@dataclass(frozen=True, slots=True)
class Prose:
    """A completion's prose.

    Attributes:
        text: the completion.
        sentences: those that may be changed, in order.
        fixed: spans that stay to the letter, in order.
        ends_open: the text goes on, for its reader, behind its last character: no tag or fence closes it.
    """

    text: str
    sentences: tuple[Sentence, ...]
    fixed: tuple[Span, ...]
    ends_open: bool

    def inline(self, sentence: Sentence) -> list[Span]:
        """Formulas, code, quotations and links inside a sentence, which stay as they are."""
        return [match.span() for match in _INLINE.finditer(self.text, sentence.begin, sentence.end)]

    def math(self, sentence: Sentence) -> list[Span]:
        """Formulas inside a sentence, with their dollar signs."""
        return [match.span() for match in _MATH.finditer(self.text, sentence.begin, sentence.end)]

    def touches_fixed(self, begin: int, end: int) -> bool:
        """Whether anything between these offsets stays to the letter."""
        return _touches(self.fixed, begin, end)

    def runs(self) -> list[list[Sentence]]:
        """Sentences that stand beside each other on one line, with nothing but spaces between them."""
        found: list[list[Sentence]] = []
        for sentence in self.sentences:
            if (
                found
                and not sentence.first
                and not self.text[found[-1][-1].end : sentence.marker].strip(" \t")
            ):
                found[-1].append(sentence)
            else:
                found.append([sentence])
        return found


def prose_of(sample: Sample) -> Prose:
    """The prose of a sample's completion; no sentences where it is code, JSON, or nothing but its answer."""
    return _prose(sample.completion, sample.answer)


@lru_cache(maxsize=256)
def _prose(text: str, answer: str | None) -> Prose:
    ends_open = not re.search(r">\s*$|```\s*$", text)
    if _is_json(text):
        return Prose(text, (), ((0, len(text)),), ends_open=False)
    fixed = _fixed(text, answer)
    sentences = [one for begin, end in _lines(text) for one in _of_line(text, begin, end, fixed)]
    return Prose(text, tuple(sentences), tuple(fixed), ends_open=ends_open)


def _is_json(text: str) -> bool:
    bare = re.sub(r"^\s*```\w*\n|\n?```\s*$", "", text).strip()
    if not bare.startswith(("{", "[")):
        return False
    try:
        json.loads(bare)
    except ValueError:
        return bare.startswith(("{", "[{", '["'))  # cut off, or written badly: no prose either way
    return True


def _fixed(text: str, answer: str | None) -> list[Span]:
    """Tags, fences, formulas on lines of their own, boxes, and what says the answer; joined, in order."""
    spans = [
        match.span()
        for pattern in (_FENCE, _TOOL, _TAG, _BOX, _ENVIRONMENT)
        for match in pattern.finditer(text)
    ]
    said = list(protected_spans(text, answer))
    letter = _LETTER.match(text)
    if letter is not None:
        said.append(letter.span())
    given = given_answer(text, like=answer or "")
    if given is not None:
        said.append(given.span)
    if not said and text.strip():  # it says nothing that we can read: its last sentence may be it
        said.append(_sentences(text, text.rstrip().rfind("\n") + 1, len(text.rstrip()))[-1])
    spans += said
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _lines(text: str) -> list[Span]:
    found, begin = [], 0
    for match in re.finditer(r"\n|\Z", text):
        if match.start() > begin:
            found.append((begin, match.start()))
        begin = match.end()
    return found


def _of_line(text: str, begin: int, end: int, fixed: Sequence[Span]) -> list[Sentence]:
    """The sentences of one line that may be changed; none of a line of code or of a table."""
    if text[begin:end].startswith(("    ", "\t")) or text[begin:end].strip().startswith("|"):
        return []
    found = []
    for piece_begin, piece_end in _between_tags(text, begin, end):
        start, marker = piece_begin, piece_begin
        if piece_begin == begin:
            match = _MARKER.match(text, begin, end)
            start = match.end() if match is not None else begin
            label = _LABEL.match(text, start, end)
            if label is not None:
                start = marker = label.end()
        for sentence_begin, sentence_end in _sentences(text, start, piece_end):
            if not _may_change(text, sentence_begin, sentence_end, fixed):
                continue
            heads = not text[begin:sentence_begin].strip() or (sentence_begin == start and start != marker)
            tails = not text[sentence_end:end].strip()
            found.append(
                Sentence(
                    sentence_begin,
                    sentence_end,
                    heads,
                    tails,
                    marker if heads and marker < start else sentence_begin,
                )
            )
    return found


def _between_tags(text: str, begin: int, end: int) -> list[Span]:
    """The pieces of a line outside its tags."""
    found, at = [], begin
    for match in _TAG.finditer(text, begin, end):
        found.append((at, match.start()))
        at = match.end()
    return [piece for piece in [*found, (at, end)] if piece[0] < piece[1]]


def _sentences(text: str, begin: int, end: int) -> list[Span]:
    """Sentences of a piece of a line, without white space around them."""
    found, at = [], begin
    for match in _BOUNDARY.finditer(text, begin, end):
        if not _ABBREVIATED.search(text, max(at, match.start() - 8), match.start()):
            found.append((at, match.end()))
            at = match.end()
    found.append((at, end))
    trimmed = []
    for first, last in found:
        piece = text[first:last]
        lead = len(piece) - len(piece.lstrip())
        if piece.strip():
            trimmed.append((first + lead, first + len(piece.rstrip())))
    return trimmed


def _may_change(text: str, begin: int, end: int, fixed: Sequence[Span]) -> bool:
    """Whether a sentence is prose that neither says nor frames the answer."""
    if _touches(fixed, begin, end):
        return False
    sentence = text[begin:end]
    if frames_answer(sentence):
        return False
    plain = _INLINE.sub(" ", sentence)
    if _CODE.search(plain):
        return False
    words = _WORD.findall(plain)
    visible = len(re.sub(r"\s", "", plain))
    return len(words) >= _FEWEST_WORDS and sum(map(len, words)) >= _LETTERS * visible


def _touches(fixed: Sequence[Span], begin: int, end: int) -> bool:
    """Whether any of these spans, in order and apart, reaches into this one."""
    place = bisect_left(fixed, (end, 0)) - 1
    return place >= 0 and fixed[place][1] > begin


def frames_answer(words: str) -> bool:
    """Whether words announce an answer: "The answer is", "**Final answer**", "####"."""
    return _ANSWER_WORDS.search(words) is not None


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made; none may overlap another."""
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def put_first(prose: Prose, words: str) -> str | None:
    """With words in front of the first sentence that may be changed; None where there is none."""
    if not prose.sentences:
        return None
    at = prose.sentences[0].begin
    return edited(prose.text, [(at, at, words + " ")])


def put_last(prose: Prose, words: str) -> str | None:
    """With words behind the last sentence that may be changed, which stands before the answer as a rule."""
    if not prose.sentences:
        return None
    at = prose.sentences[-1].end
    stop = "" if prose.text[at - 1] in ".!?:" else "."
    return edited(prose.text, [(at, at, f"{stop} {words}")])


def put_after(prose: Prose, words: str) -> str | None:
    """With words at the very end; None where a tag or a fence closes the text."""
    if not prose.ends_open or not prose.text.strip():
        return None
    text = prose.text.rstrip()
    return f"{text} {words}" if text[-1] in ".!?" else f"{text}. {words}"
