from __future__ import annotations

from dataclasses import replace

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
    assert check.message == "every one of 120 rewards is 0.5"
    assert "what it compares" in check.advice
    form = PROBE(bench(lambda sample: float("Answer:" in sample.completion)))
    assert form.outcome is Outcome.FAIL
    assert "other texts earn less" in form.message


def test_nearly_always_at_the_ceiling_fails() -> None:
    check = PROBE(bench(lambda sample: float(sample.group != 3)))
    assert check.outcome is Outcome.FAIL


def test_a_form_that_is_mostly_kept_is_warned_of_while_prompts_still_differ() -> None:
    samples = [
        replace(
            one, completion=one.completion.replace("Answer", "Result") if turn % 8 == 0 else one.completion
        )
        for turn, one in enumerate(sums(samples=8))
    ]
    check = PROBE(bench(lambda sample: float("Answer:" in sample.completion), samples))
    assert check.parts["ceiling"] == 7 / 8
    assert check.outcome is Outcome.WARN


def test_nearly_always_at_the_floor_is_a_warning() -> None:
    check = PROBE(bench(lambda sample: float(sample.group == 3)))
    assert check.outcome is Outcome.WARN
    assert "easier" in check.advice


def test_made_up_completions_say_nothing_about_it() -> None:
    made = [sample.with_completion(sample.completion) for sample in sums()]
    assert PROBE(bench(exact, made)).outcome is Outcome.NOT_APPLICABLE


def test_few_prompts_beyond_the_limit_warn_only() -> None:
    check = PROBE(bench(lambda sample: float(sample.group not in {3, 4}), sums(11, 4)))
    assert check.parts["ceiling"] > 0.8
    assert check.outcome is Outcome.WARN


def test_a_penalty_is_meant_to_be_at_its_ceiling() -> None:
    def overlong(sample) -> float:
        return -max(0.0, len(sample.token_ids) - 100) / 100

    check = PROBE(bench(overlong))  # which all samples escape
    assert check.outcome is Outcome.NOT_APPLICABLE
    repeating = PROBE(bench(lambda sample: -float(sample.group == 3)))  # which some incur
    assert repeating.outcome is Outcome.NOT_APPLICABLE
    assert "96.7%" in repeating.message


def test_a_verifier_from_minus_one_to_zero_is_no_penalty() -> None:
    check = PROBE(bench(lambda sample: -float(sample.group == 3 and by_column(sample) == 0)))
    assert check.outcome is Outcome.FAIL


def by_column(sample) -> float:
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def test_how_much_a_reward_can_tell() -> None:
    check = PROBE(bench(lambda sample: float(sample.group % 4)))
    assert check.message.endswith("(2 bits a reward)")
