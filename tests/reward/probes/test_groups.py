from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.groups import PROBE

if TYPE_CHECKING:
    from vllm_migrate.reward.sample import Sample


def test_groups_with_right_and_wrong_pass() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.parts["observed"] == 0
    p = 2 / 3
    assert check.parts["equally hard"] == pytest.approx(p**4 + (1 - p) ** 4, abs=0.001)


def test_prompts_that_are_always_or_never_solved_fail() -> None:
    check = PROBE(bench(lambda sample: float(sample.group % 2)))
    assert check.outcome is Outcome.FAIL
    assert "30 of 30 prompts tie" in check.message
    assert check.parts["equally hard"] == pytest.approx(0.125)
    assert check.parts["twice the samples"] > 0.95
    assert check.worst[0].after == 0


def test_with_equally_hard_prompts_more_samples_help() -> None:
    def each_sixth(sample: Sample) -> float:
        return float(hash_of(sample) % 6 == 0)

    unlike = [replace(sample, completion=f"{n} {sample.completion}") for n, sample in enumerate(sums(200, 4))]
    check = PROBE(bench(each_sixth, unlike))
    assert abs(check.parts["observed"] - check.parts["equally hard"]) < 0.12
    assert check.parts["twice the samples"] < check.parts["observed"]


def hash_of(sample: Sample) -> int:
    return zlib.crc32(f"{sample.prompt} {sample.completion}".encode())


def test_so_few_prompts_cannot_fail() -> None:
    check = PROBE(bench(lambda sample: float(sample.group % 2 or exact(sample)), sums(12, 4)))
    assert check.outcome is not Outcome.FAIL
    assert PROBE(bench(exact, sums(5))).outcome is Outcome.NOT_JUDGED


def test_one_completion_a_prompt_compares_nothing() -> None:
    assert PROBE(bench(exact, sums(30, 1))).outcome is Outcome.NOT_APPLICABLE


def test_made_up_completions_say_nothing_about_it() -> None:
    made = [sample.with_completion(sample.completion) for sample in sums()]
    assert PROBE(bench(exact, made)).outcome is Outcome.NOT_APPLICABLE


def test_a_penalty_is_meant_to_tie() -> None:
    check = PROBE(bench(lambda sample: -max(0.0, len(sample.token_ids) - 100) / 100))
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert "penalty" in check.message
