"""What a scan for spurious features holds fixed: what a reward is for can't be spurious.

That is whether the answer is right, by a verifier of our own, and in which form it is given. Of a function it
is also the structure it may ask for: tags, a box, answers after ####, a code fence, whether the text came to
its end. Samples that are alike in all of it have one pattern, and a pattern has a mean of its own, so that a
reward for right answers in tags, and for nothing else, leaves nothing to be explained.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.answers.reference import reads_answer
from vllm_migrate.reward.answers.second import opinions_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.sample import Sample

_KNOWN = 0.5  # share of samples that must be known to be right or wrong
_FEWEST = 8  # samples of a pattern with a mean of its own
_TAG = re.compile(r"</?[A-Za-z][\w|-]{0,30}>")
_MOST_TAGS = 12
_LEAST_SHARE = 0.02
_FINISHED = "stop"
_CUT = ", cut off"


@dataclass(frozen=True, slots=True)
class Held:
    """What is held fixed.

    Attributes:
        columns: one for each pattern, 1 where a sample has it, shape (samples, patterns).
        patterns: number of each sample's, shape (samples,).
        correctness: whether what is right is part of it.
        usable: samples about which all of it is known, shape (samples,).
    """

    columns: NDArray[np.float64]
    patterns: NDArray[np.int64]
    correctness: bool
    usable: NDArray[np.bool_]


def held_fixed(bench: Bench) -> Held:
    """What to hold fixed for this reward; samples without a reward are not usable."""
    count = len(bench.samples)
    opinions = opinions_of(bench)
    known = np.array([index in opinions for index in range(count)], dtype=bool)
    correctness = bool(known.mean() >= _KNOWN) if count else False
    usable = np.isfinite(bench.values)
    if correctness and not bench.model and reads_answer(bench):
        usable &= known  # what it makes of the others may be right
    right = [_right(bench, index) if correctness else () for index in range(count)]
    structure = [()] * count if bench.model else _structures(bench.samples)
    keys: list[tuple[Hashable, ...]] = [(*said, *shape) for said, shape in zip(right, structure, strict=True)]
    patterns = _numbered(keys, [said[:1] for said in right], usable)
    columns = np.zeros((count, int(patterns.max()) + 1 if count else 0))
    columns[np.arange(count), patterns] = 1.0
    return Held(columns, patterns, correctness, usable)


def _right(bench: Bench, index: int) -> tuple[Hashable, ...]:
    opinion = opinions_of(bench).get(index)
    return (None, "") if opinion is None else (opinion.right, opinion.form.replace(_CUT, ""))


def _structures(samples: Sequence[Sample]) -> list[tuple[Hashable, ...]]:
    """Which tags each completion has and how often up to twice, what else marks answers, how it ended."""
    tags = [Counter(_TAG.findall(sample.completion)) for sample in samples]
    everywhere = Counter(tag for found in tags for tag in found)
    common = [
        tag for tag, n in everywhere.most_common(_MOST_TAGS) if n >= max(2, _LEAST_SHARE * len(samples))
    ]
    return [
        (
            tuple(min(found[tag], 2) for tag in common),
            bool(common) and sample.completion.lstrip().startswith(tuple(common)),
            "\\boxed" in sample.completion,
            "####" in sample.completion,
            "```" in sample.completion,
            sample.finish_reason in {"", _FINISHED},
        )
        for found, sample in zip(tags, samples, strict=True)
    ]


def _numbered(
    keys: Sequence[tuple[Hashable, ...]], coarse: Sequence[tuple[Hashable, ...]], usable: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """A number for each pattern; rare ones are told apart by whether they are right alone."""
    seen = Counter(key for key, used in zip(keys, usable, strict=True) if used)
    numbers: dict[tuple[Hashable, ...], int] = {}
    chosen = [key if seen[key] >= _FEWEST else ("rare", *few) for key, few in zip(keys, coarse, strict=True)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in chosen], dtype=np.int64)
