from __future__ import annotations

import random
from dataclasses import replace

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.answers import second
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.noise import PROBE


@pytest.fixture(autouse=True)
def without_the_extra(monkeypatch) -> None:
    """math-verify takes seconds, and only confirms what our own verifier says of sums."""
    monkeypatch.setattr(second, "has_math_verify", lambda: False)


def verifier(sample) -> float:
    """Right and wrong, from the column that a real reward sees."""
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def wrong_one_time_in(share: float):
    def reward(sample) -> float:
        said = verifier(sample)
        drawn = random.Random(f"{sample.prompt}{sample.completion}").random()  # noqa: S311 - nothing secret
        return 1 - said if drawn < share else said

    return reward


def test_a_verifier_without_errors_keeps_every_sign() -> None:
    check = PROBE(bench(verifier))
    assert check.outcome is Outcome.PASS
    assert check.figure.value == 1.0
    assert check.parts["alike, with advantages"] == 0.0
    assert check.parts["in these samples"] == 1.0
    assert "0.0% of wrong answers are paid" in check.message


def test_one_error_in_five_turns_too_many_signs() -> None:
    check = PROBE(bench(wrong_one_time_in(0.2), sums(60, 6)))
    assert check.outcome is Outcome.FAIL
    assert 0.6 < check.figure.value < 0.9
    assert check.figure.low < check.figure.value < check.figure.high < 0.95
    assert check.worst
    assert check.worst[0].change in {
        "right, and discouraged among the completions of its prompt",
        "wrong, and encouraged among the completions of its prompt",
    }
    assert check.advice


def test_few_errors_of_few_samples_warn() -> None:
    def reward(sample) -> float:
        return 1.0 if sample.group == 0 else verifier(sample)

    check = PROBE(bench(reward, sums(14, 4)))
    assert check.outcome is Outcome.WARN
    assert check.figure.high >= 0.95


def test_prompts_that_are_always_solved_get_advantages_from_errors() -> None:
    solved = [
        replace(s, completion=f"{s.completion.rpartition(':')[0]}: {s.answer}", group=s.group + 100)
        for s in sums(30, 4)
    ]
    check = PROBE(bench(wrong_one_time_in(0.1), [*sums(30, 4), *solved]))
    assert check.parts["alike, with advantages"] > 0.2


def test_what_it_does_not_apply_to() -> None:
    assert PROBE(bench(exact, [replace(s, sampled=False) for s in sums()])).outcome is Outcome.NOT_APPLICABLE
    plain = PROBE(bench(verifier, [replace(s, answer=None) for s in sums()]))
    assert plain.outcome is Outcome.NOT_APPLICABLE
    assert "no reference answers" in plain.message
    assert PROBE(bench(verifier, sums(5, 4))).outcome is Outcome.NOT_JUDGED
