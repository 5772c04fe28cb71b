"""Samples held against references that are not theirs: what shows whether a reward looks at the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.answers import given_answer, with_reference
from vllm_migrate.reward.bench import TIE
from vllm_migrate.reward.same import compare

if TYPE_CHECKING:
    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.sample import Sample

_MOST = 16


def held_against_others(bench: Bench) -> list[tuple[int, Sample]]:
    """Indices of samples, and each with another reference in its columns; empty where no column holds one.

    Samples at the top get another prompt's reference, which should cost them; those below get as reference
    what they give as their answer, which should earn. Where all earn the same, both are tried.
    """
    references = {sample.group: sample.answer for sample in bench.samples if sample.answer is not None}
    others = list(references.items())
    found: list[tuple[int, Sample]] = []
    below = [index for index in bench.some if bench.values[index] < bench.top - TIE] or bench.some
    for index, at_top in [*((i, True) for i in bench.right[:_MOST]), *((i, False) for i in below[:_MOST])]:
        sample = bench.samples[index]
        if sample.answer is not None:
            new = _other(others, sample) if at_top else _own(sample)
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
