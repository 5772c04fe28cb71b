from __future__ import annotations

from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.saturation import PROBE


def test_a_reward_with_something_left_to_earn_passes() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert abs(check.parts["ceiling"] - 2 / 3) < 0.01


def test_a_constant_reward_fails() -> None:
    check = PROBE(bench(lambda _: 0.5))
    assert check.outcome is Outcome.FAIL
    assert "every one of 120 rewards is 0.5" in check.message


def test_nearly_always_at_the_ceiling_fails() -> None:
    check = PROBE(bench(lambda sample: float(sample.group != 3)))
    assert check.outcome is Outcome.FAIL


def test_nearly_always_at_the_floor_is_a_warning() -> None:
    check = PROBE(bench(lambda sample: float(sample.group == 3)))
    assert check.outcome is Outcome.WARN
    assert "easier" in check.advice


def test_made_up_completions_say_nothing_about_it() -> None:
    made = [sample.with_completion(sample.completion) for sample in sums()]
    assert PROBE(bench(exact, made)).outcome is Outcome.NOT_APPLICABLE
