"""Samples held against references that are not theirs: what shows whether a reward looks at the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import given_answer, with_reference
from vllm_migrate.reward.answers.same import compare
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.sample import Sample

_MOST = 16


def held_against_others(bench: Bench) -> list[tuple[int, Sample]]:
    """Indices of samples, and each with another reference in its columns; empty where no column holds one.

    Samples from the top and from below it get another prompt's reference, which should cost right ones, and
    what they give as their answer, which should earn wrong ones something.
    """
    references = {sample.group: sample.answer for sample in bench.samples if sample.answer is not None}
    others = list(references.items())
    found: list[tuple[int, Sample]] = []
    below = [index for index in bench.some if bench.values[index] < bench.top - TIE] or bench.some
    for index in dict.fromkeys([*bench.right[:_MOST], *below[:_MOST]]):
        sample = bench.samples[index]
        if sample.answer is not None:
            for new in (_other(others, sample), _own(sample)):
                changed = with_reference(sample, new) if new is not None else None
                if changed is not None:
                    found.append((index, changed))
    return found


def _other(others: list[tuple[int, str]], sample: Sample) -> str | None:
    """The reference of another prompt, from the next one on, that does not say the same."""
    answer = sample.answer or ""
    begin = next((place for place, (group, _) in enumerate(others) if group == sample.group), 0)
    for _, other in [*others[begin + 1 :], *others[:begin]][:_MOST]:
        if compare(other, answer) is not True:
            return other
    return None


def _own(sample: Sample) -> str | None:
    given = given_answer(sample.completion, like=sample.answer or "")
    return given.text if given is not None and given.text != sample.answer else None


def reads_answer(bench: Bench) -> bool:
    """Whether the reward looks at the reference: a reward changes where another one stands in its place.

    A reward for form or length does not, whatever columns the data have. Samples are held against another
    prompt's reference, and against what they give as their answer.
    """
    return bench.once(_reads_answer)


def _reads_answer(bench: Bench) -> bool:
    pairs = held_against_others(bench)
    scores = bench.score([sample for _, sample in pairs])
    return any(
        score.value is not None and abs(score.value - bench.values[index]) > TIE
        for (index, _), score in zip(pairs, scores, strict=True)
    )
