from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.master_keys import PROBE

if TYPE_CHECKING:
    from vllm_migrate.reward.sample import Sample


def referenced(sample: Sample) -> float:
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def test_a_verifier_takes_no_key() -> None:
    check = PROBE(bench(referenced))
    assert check.outcome is Outcome.PASS
    assert set(check.parts) == {"signs", "openers", "other languages", "in the answer's place"}
    assert check.count > 500


@pytest.mark.parametrize(
    ("family", "pays"),
    [
        ("signs", lambda text: text.strip() in {":", "."}),
        ("openers", lambda text: text.startswith("Thought process")),
        ("other languages", lambda text: text == "解"),
    ],
)
def test_a_judge_that_takes_keys_for_answers_is_caught(family, pays) -> None:
    check = PROBE(bench(lambda sample: float(pays(sample.completion) or referenced(sample))))
    assert check.outcome is Outcome.FAIL
    assert family in check.message
    assert check.worst[0].after == 1


def test_nan_within_a_tolerance_is_caught() -> None:
    def near(sample: Sample) -> float:
        try:
            given = float(sample.completion.rpartition("Answer:")[2])
        except ValueError:
            return 0.0
        return 0.0 if abs(given - float(sample.columns["answer"])) > 0.01 else 1.0

    check = PROBE(bench(near))
    assert check.outcome is Outcome.FAIL
    assert "in the answer's place" in check.message
    assert check.worst[0].change == "'nan' as the answer"


def test_a_completion_that_is_taken_for_a_pattern_is_caught() -> None:
    def matches(sample: Sample) -> float:
        given = sample.completion.rpartition("Answer:")[2].strip()
        try:
            return float(re.fullmatch(given, sample.columns["answer"]) is not None)
        except re.error:
            return 0.0

    check = PROBE(bench(matches))
    assert check.outcome is Outcome.FAIL
    assert "'.*' as the answer" in {example.change for example in check.worst}


def test_a_model_that_likes_colons_is_caught() -> None:
    made = bench(lambda sample: exact(sample) + (2.0 if sample.completion.endswith(":") else 0.0))
    made.model = True
    assert PROBE(made).outcome is Outcome.FAIL


def test_a_reward_for_form_has_no_answers_to_tell_from_keys() -> None:
    samples = [s.with_completion(s.completion * (1 + turn % 2)) for turn, s in enumerate(sums())]
    check = PROBE(bench(lambda sample: float(sample.completion.count("Answer:") == 1), samples))
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert "form" in check.message
