"""The same working in other words: connecting words, contractions and verbs are swapped by fixed rules.

Only sentences of `prose` are touched, and in them nothing but the words listed here: no number, no formula,
no code, no name, no negation, and not the answer. A word keeps its case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.reward.changes.prose import edited, prose_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vllm_migrate.reward.sample import Sample

    Change = Callable[[Sample], str | None]

OPENING = {
    "first,": "to begin with,", "first i": "to begin with, i", "first we": "to begin with, we",
    "first of all": "to begin with", "firstly": "to begin with", "next,": "following this,",
    "next i": "following this, i", "next we": "following this, we", "now,": "at this point,",
    "now i": "at this point i", "now we": "at this point we", "so,": "hence,", "so i": "hence i",
    "so we": "hence we", "so the": "hence the", "so it": "hence it", "so this": "hence this",
    "so far": "up to now", "then": "after that", "after that": "then", "hence": "so", "thus": "so",
    "therefore": "hence", "finally": "lastly", "lastly": "finally", "but": "yet", "however,": "even so,",
    "also": "in addition", "as a result": "in consequence", "this means": "it follows",
    "consequently": "as a result", "in total": "altogether", "altogether": "in total", "and": "also",
    "to start": "to begin", "to begin": "to start", "since": "as",
}  # fmt: skip
"""Of a sentence only: elsewhere they mean other things ("the first one", "and so on")."""

CONNECTING = {
    "because": "since", "and then": "and after that", ", then": ", and after that",
    ", so": ", hence", ", but": ", yet", "for example": "for instance",
    "for instance": "for example", "which means": "meaning", "in other words": "that is to say",
    "as well": "too", "once more": "again", "again": "once more", "together": "jointly",
    "here": "at this place", "at the end": "in the end", "in order to": "to", "therefore": "hence",
    "let us": "we will", "let's": "we will", "after all": "in the end",
}  # fmt: skip
CONTRACTED = {
    "it is": "it's", "it's": "it is", "that is": "that's", "that's": "that is", "we are": "we're",
    "we're": "we are", "i am": "i'm", "i'm": "i am", "i've": "i have",
    "we've": "we have", "i will": "i'll", "i'll": "i will", "we will": "we'll",
    "we'll": "we will", "they are": "they're", "they're": "they are", "there is": "there's",
    "there's": "there is", "let us": "let's", "let's": "let us", "what is": "what's",
    "what's": "what is", "you are": "you're", "you're": "you are",
}  # fmt: skip
SYNONYMS = {
    "compute": "work out", "computes": "works out", "calculate": "work out",
    "calculates": "works out", "find": "determine", "finds": "determines", "get": "obtain",
    "gets": "obtains", "obtain": "get", "use": "apply", "uses": "applies", "using": "by means of",
    "show": "demonstrate", "shows": "demonstrates", "check the": "verify the",
    "check that": "verify that", "check whether": "verify whether", "verify": "check",
    "see": "notice", "notice": "see", "look at": "consider", "looks at": "considers",
    "consider": "look at", "think about": "consider", "start": "begin", "starts": "begins",
    "begin": "start", "begins": "starts", "write down": "note", "write": "put down",
    "combine": "join", "recall": "remember", "remember": "recall", "gives": "yields",
    "yields": "gives", "asked": "requested", "easy": "simple", "simple": "easy", "quick": "fast",
    "big": "large", "large": "big", "whole": "entire", "entire": "whole", "carefully": "with care",
    "with care": "carefully", "question": "task", "problem": "task", "task": "problem",
    "parts": "pieces", "pieces": "parts", "go through": "work through", "quickly": "fast",
    "follows from": "comes from", "obvious": "plain", "clear": "plain", "idea": "thought",
    "method": "approach", "approach": "method", "numbers": "figures", "important": "essential",
    "add the": "sum the", "adding the": "summing the", "put together": "joined",
    "one by one": "one at a time", "step by step": "one step at a time", "carry out": "perform",
    "perform": "carry out", "need to": "have to", "have to": "need to", "want to": "wish to",
    "wish to": "want to", "thinking": "reasoning", "seems": "appears", "appears": "seems",
    "maybe": "perhaps", "perhaps": "maybe", "wonderful": "marvellous", "great": "excellent",
    "excellent": "great", "nice": "pleasant", "very": "quite", "really": "truly",
    "a lot of": "much", "kind": "sort",
}  # fmt: skip
"""The words a working is made of. Their others need not be elegant; they have to mean the same there."""


def reworded(words: Mapping[str, str], *, opening: Mapping[str, str] | None = None) -> Change:
    """A change that swaps these words wherever they stand in prose, and others where they open a sentence."""
    anywhere = _pattern(words)
    at_first = _pattern(opening) if opening else None

    def apply(sample: Sample) -> str | None:
        prose = prose_of(sample)
        edits = []
        for sentence in prose.sentences:
            fixed, begin = prose.inline(sentence), sentence.begin
            first = at_first.match(prose.text, begin, sentence.end) if at_first is not None else None
            if first is not None and opening is not None:
                edits.append((*first.span(), _as_written(first[0], opening[first[0].lower()])))
                begin = first.end()
            edits += [
                (*match.span(), _as_written(match[0], words[match[0].lower()]))
                for match in anywhere.finditer(prose.text, begin, sentence.end)
                if not any(start < match.end() and match.start() < end for start, end in fixed)
                and not (
                    match[0].endswith((" is", " are", " am"))
                    and prose.text[match.end() : match.end() + 1] != " "
                )
            ]
        return edited(prose.text, edits) if edits else None

    return apply


def _pattern(words: Mapping[str, str]) -> re.Pattern[str]:
    longest = "|".join(re.escape(one) for one in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?:(?<![\w'\u2019\\-])|(?=,))(?:{longest})(?![\w'\u2019-])", re.IGNORECASE)


def _as_written(old: str, new: str) -> str:
    """The new word with the old one's case, and "I" as it is always written."""
    if old[0].isupper():
        new = new[0].upper() + new[1:]
    return re.sub(r"\bi(?=\b|')", "I", new)
