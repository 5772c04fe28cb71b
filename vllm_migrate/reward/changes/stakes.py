"""What right and wrong completions earn: the bar that no text without an answer may pass.

A reward looks at the reference, at the prompt, or at neither (a reward for form or length). For one that
looks at the reference the bar is what wrong answers earn: the samples', and wrong ones put in the place of
right ones, so that a format that is paid for on its own is in the bar. For one that judges by the prompt it
is the median of the prompt's samples, of the wrong ones where answers are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.answers.find import compare, find_answer, given_answer, replace_answer
from vllm_migrate.reward.answers.reference import reads_answer
from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.changes.corruptions import far_off
from vllm_migrate.reward.changes.invariance import STAYS
from vllm_migrate.reward.figures import SEPARATES, auc_of
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.sample import Sample

_CONTROLS = 16
_FEWEST_TO_SEPARATE = 8
_FEWEST = 3  # rewards that a median is worth forming of


class Reads(str, Enum):
    """What a reward looks at beside the completion."""

    REFERENCE = "the reference"
    PROMPT = "the prompt"
    NOTHING = "nothing but the completion"


@dataclass(frozen=True, slots=True)
class Stakes:
    """What there is to earn.

    Attributes:
        reads: what the reward looks at.
        right: what right completions earn; NaN where none is known.
        wrong: what wrong ones earn, over all prompts; NaN where that is not known.
        by_group: the bar of each prompt.
        slack: rewards this close are the same.
        right_samples: indices of samples that surely give the reference answer, and earn for it; evenly drawn
            over prompts, at most the bench's number.
        wrong_samples: indices of samples that are surely wrong, or that earn less than right ones where no
            answer can be read.
    """

    reads: Reads
    right: float
    wrong: float
    by_group: dict[int, float]
    slack: float
    wrong_samples: tuple[int, ...] = ()
    right_samples: tuple[int, ...] = ()

    def bar(self, group: int) -> float:
        """What a wrong completion of this prompt earns."""
        return self.by_group.get(group, self.wrong)

    def earns(self, value: float | None, group: int) -> bool:
        """Whether this is a reward that wrong completions don't get.

        Where right and wrong are apart, it is nearer to what right ones earn.
        """
        if value is None:
            return False
        bar = self.bar(group)
        apart = self.reads is Reads.REFERENCE and self.right > bar + self.slack
        return value > ((bar + self.right) / 2 if apart else bar + self.slack)


def stakes_of(bench: Bench) -> Stakes:
    """What right and wrong completions earn there."""
    return bench.once(_measured)


def _measured(bench: Bench) -> Stakes:
    """The stakes of a bench; asks the reward some dozen texts where it reads the reference."""
    slack = max(STAYS * bench.spread, TIE)
    says = [_says(sample) for sample in bench.samples]
    if not bench.model and reads_answer(bench):
        return _of_reference(bench, says, slack)
    judges = bench.model or _separates(bench, says) or reads_prompt(bench)
    reads = Reads.PROMPT if judges else Reads.NOTHING
    wrong = tuple(i for i, said in enumerate(says) if said is False and np.isfinite(bench.values[i]))
    right = [i for i, said in enumerate(says) if said and np.isfinite(bench.values[i])]
    return Stakes(
        reads,
        float("nan"),
        float("nan"),
        _medians(bench, wrong),
        slack,
        wrong,
        tuple(bench.drawn(right, "surely right")),
    )


def reads_prompt(bench: Bench) -> bool:
    """Whether the reward changes where another prompt, with its columns, stands before a completion."""
    first = list({sample.group: sample for sample in reversed(bench.samples)}.values())
    pairs = []
    for place, index in enumerate(bench.some[:_CONTROLS]):
        own = bench.samples[index]
        other = next((s for s in first[place % len(first) :] + first if s.group != own.group), None)
        if other is not None:
            pairs += [own.with_completion(own.completion), other.with_completion(own.completion)]
    values = np.array([score.number for score in bench.score(pairs)], dtype=np.float64)
    return bool((np.abs(values[::2] - values[1::2]) > TIE).any())


def _separates(bench: Bench, says: Sequence[bool | None]) -> bool:
    """Whether right completions earn more than wrong ones, however the reward comes to know (AUC).

    One that does so without looking at prompt or reference is held against what it should look at.
    """
    finite = np.isfinite(bench.values)
    right = bench.values[[i for i, said in enumerate(says) if said and finite[i]]]
    wrong = bench.values[[i for i, said in enumerate(says) if said is False and finite[i]]]
    if min(len(right), len(wrong)) < _FEWEST_TO_SEPARATE:
        return False
    return auc_of(right, wrong) >= SEPARATES


def _says(sample: Sample) -> bool | None:
    """Whether a completion is right by a normaliser that is not the reward's; None where that is open."""
    if sample.answer is None:
        return None
    given = given_answer(sample.completion, like=sample.answer)
    return compare(given.text, sample.answer) if given is not None else None


def _of_reference(bench: Bench, says: Sequence[bool | None], slack: float) -> Stakes:
    finite = np.isfinite(bench.values)
    sure = [i for i, said in enumerate(says) if said and finite[i]]
    right = bench.top
    if not bench.is_verifier and len(sure) >= _FEWEST:
        right = float(np.median(bench.values[sure]))
    varies = bench.top - bench.bottom > TIE
    middle = (right + bench.bottom) / 2 if varies else right
    wrong = tuple(
        i
        for i, said in enumerate(says)
        if finite[i] and (said is False or (said is None and bench.values[i] < middle))
    )
    say_it = [
        i
        for i, said in enumerate(says)
        if finite[i]
        and (bench.values[i] > middle or not varies)
        and (said or (said is None and says_answer(bench.samples[i])))
    ]
    chosen = bench.drawn(say_it, "surely right")
    seen = [_median(bench.values[list(wrong)])]
    seen += [_median(values) for values in _controls(bench, [bench.samples[i] for i in chosen[:_CONTROLS]])]
    known = [value for value in seen if np.isfinite(value) and (value <= middle or not varies)]
    bar = max(known, default=bench.bottom)
    if not varies and right <= bar + slack:
        right = float("nan")
    groups = {}
    wrong_of: dict[int, list[int]] = {}
    for i in wrong:
        wrong_of.setdefault(bench.samples[i].group, []).append(i)
    for group in dict.fromkeys(bench.groups.tolist()):
        own = _median(bench.values[wrong_of.get(group, [])])
        groups[group] = max(bar, own) if varies and own <= middle else bar
    apart = tuple(i for i in chosen if not varies or bench.values[i] > groups[bench.samples[i].group] + slack)
    return Stakes(Reads.REFERENCE, right, bar, groups, slack, wrong, apart)


def says_answer(sample: Sample) -> bool:
    """Whether a completion holds the reference answer anywhere."""
    return sample.answer is not None and find_answer(sample.completion, sample.answer) is not None


def _controls(bench: Bench, right: Sequence[Sample]) -> list[np.typing.NDArray[np.float64]]:
    """What wrong answers earn in the place of right ones, and alone."""
    others = other_answers(bench)
    replaced, alone = [], []
    for sample in right:
        wrong = far_off(final_of(sample.answer or ""), others=others)
        changed = replace_answer(sample, wrong) if wrong is not None else None
        if changed is not None and wrong is not None:
            replaced.append(changed)
            alone.append(sample.with_completion(wrong))
    scores = bench.score([*replaced, *alone])
    values = np.array([score.number for score in scores], dtype=np.float64)
    return [values[: len(replaced)], values[len(replaced) :]]


def other_answers(bench: Bench) -> list[str]:
    """The reference answers of all prompts, each once, in their order."""
    return list(
        dict.fromkeys(final_of(sample.answer) for sample in bench.samples if sample.answer is not None)
    )


def _median(values: np.typing.NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _medians(bench: Bench, wrong: Sequence[int]) -> dict[int, float]:
    """Of each prompt's wrong samples, or of all of them where none is surely wrong."""
    surely = set(wrong)
    return {
        group: _median(bench.values[[i for i in members if i in surely] or members])
        for group, members in bench.by_prompt.items()
    }
