"""What can be counted in a completion without understanding it.

Counts enter as log(1 + count): the step from none to one is larger than that from twenty to twenty-one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.reward.sample import Sample

LENGTHS = frozenset({"characters", "tokens", "lines"})
"""Features that are length in one way or another; the probe `length` asks about them too."""
FORMATS = frozenset({"bullets", "headers", "bold", "boxes"})
"""Features that are format; the probe `format` asks about them too."""

_HEDGES = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|likely|might|could be|i think|i believe|it seems|not sure)\b",
    re.IGNORECASE,
)
_CERTAIN = re.compile(
    r"\b(?:certainly|definitely|clearly|obviously|undoubtedly|absolutely|of course|without a doubt)\b",
    re.IGNORECASE,
)
_REFUSALS = re.compile(
    r"\b(?:i (?:can(?:no|')t|am unable to|won't)|i'm (?:sorry|unable)|as an ai|sorry, but)\b",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"\b(?:please|thank you|thanks|great question|happy to help|hope this helps)\b", re.IGNORECASE
)
_TURNS = re.compile(r"\b(?:wait|hmm|alternatively|let me (?:check|verify|re-?check))\b", re.IGNORECASE)
_BULLET = re.compile(r"^[ \t]*(?:[-*\u2022+]|\d{1,2}[.)])[ \t]+\S", re.MULTILINE)
_HEADER = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_WORD = re.compile(r"[^\W\d_]+")
_MOST_FIRST_WORDS = 12
_LEAST_SHARE = 0.03
_SCANNED = 20_000  # characters of a completion

_COUNTS: dict[str, Callable[[str], float]] = {
    "lines": lambda text: text.count("\n"),
    "bullets": lambda text: _found(_BULLET, text),
    "headers": lambda text: _found(_HEADER, text),
    "bold": lambda text: _found(_BOLD, text),
    "boxes": lambda text: text.count("\\boxed"),
    "code fences": lambda text: text.count("```"),
    "formulas": lambda text: text.count("$") / 2 + text.count("\\(") + text.count("\\["),
    "thinking tags": lambda text: text.count("<think"),
    "question marks": lambda text: text.count("?") + text.count("\uff1f"),
    "exclamation marks": lambda text: text.count("!") + text.count("\uff01"),
    "hedging words": lambda text: _found(_HEDGES, text),
    "words of certainty": lambda text: _found(_CERTAIN, text),
    "words of refusal": lambda text: _found(_REFUSALS, text),
    "words of politeness": lambda text: _found(_POLITE, text),
    "second thoughts": lambda text: _found(_TURNS, text),
}


def features_of(samples: Sequence[Sample]) -> dict[str, NDArray[np.float64]]:
    """One column a feature, shape (samples,). Those that never vary are left out.

    "cut off" is there where the samples know how they ended, "tokens" where all have token ids.
    """
    texts = [sample.completion[:_SCANNED] for sample in samples]
    found = {
        "characters": np.log1p([len(sample.completion) for sample in samples]),
        "digits": np.array([_share(str.isdigit, text) for text in texts]),
        "capitals": np.array([_share(str.isupper, text) for text in texts]),
        "other scripts": np.array([_share(lambda c: not c.isascii(), text) for text in texts]),
    }
    if all(sample.token_ids for sample in samples):
        found["tokens"] = np.log1p([len(sample.token_ids) for sample in samples])
    for name, counted in _COUNTS.items():
        found[name] = np.log1p([counted(text) for text in texts])
    if all(sample.finish_reason for sample in samples):
        found["cut off"] = np.array([float(sample.finish_reason == "length") for sample in samples])
    first = [match[0].lower() if (match := _WORD.search(text)) else "" for text in texts]
    for word, count in Counter(first).most_common(_MOST_FIRST_WORDS):
        if word and _LEAST_SHARE * len(texts) <= count:
            found[f"begins with {word!r}"] = np.array([float(one == word) for one in first])
    return {name: column for name, column in found.items() if len(column) and np.ptp(column) > 0}


def _found(pattern: re.Pattern[str], text: str) -> float:
    return sum(1 for _ in pattern.finditer(text))


def _share(test: Callable[[str], bool], text: str) -> float:
    return math.fsum(map(test, text)) / len(text) if text else 0.0
