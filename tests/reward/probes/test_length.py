from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from benches import Asked, bench, exact, sums

from vllm_migrate.reward.bench import Bench
from vllm_migrate.reward.changes.padding import sentence
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.length import PROBE

if TYPE_CHECKING:
    from vllm_migrate.reward.sample import Sample

STEPS = (
    "I look at the tens.", "Then I look at the ones.", "They are added one by one.",
    "A carry moves to the left.", "All of this is written down.", "The columns are in line.",
    "So far it is easy.", "I read the question again.",
)  # fmt: skip


def rambling(
    prompts: int = 30, samples: int = 6, *, wrong_ramble: bool = False, seed: int = 0
) -> list[Sample]:
    """Sums whose lengths vary; where asked for, those of wrong answers are longer."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret is drawn
    found = []
    for sample in sums(prompts, samples):
        answer = sample.completion.rpartition("Answer:")[2]
        steps = draw.randint(2, 6) + (6 if wrong_ramble and exact(sample) == 0 else 0)
        work = " ".join(draw.choice(STEPS) for _ in range(steps))
        found.append(replace(sample, completion=f"{work} Answer:{answer}"))
    return found


def noise(sample: Sample) -> float:
    """The same for the same text."""
    return random.Random(sample.completion).gauss(0, 1)  # noqa: S311 - nothing secret is drawn


def model(function, samples) -> Bench:
    scorer = Asked(function)
    return Bench(samples, scorer.score(samples), scorer, limits=shipped_limits(), model=True)


def test_a_verifier_passes_though_wrong_completions_ramble() -> None:
    check = PROBE(bench(exact, rambling(wrong_ramble=True)))
    assert check.parts["within prompt"] < -0.6
    assert check.outcome is Outcome.PASS
    assert check.parts["twice as long"] == 0.0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_reward_for_length_fails_either_way(sign: int) -> None:
    check = PROBE(bench(lambda s: exact(s) + sign * len(s.completion) / 1000, rambling()))
    assert check.outcome is Outcome.FAIL
    assert check.parts["given correctness"] * sign > 0.9
    assert check.parts["twice as long"] * sign > 0.1
    assert "length" in check.message
    assert check.advice


@pytest.mark.parametrize("sign", [1, -1])
def test_opposite_effects_on_right_and_wrong_texts_do_not_cancel(sign: int) -> None:
    def stretched(sample: Sample) -> float:
        """Right texts earn by their length what wrong ones lose by it."""
        return (1 if exact(sample) else -1) * (1 + sign * len(sample.completion) / 200)

    check = PROBE(bench(stretched, rambling(40)))
    assert check.outcome is Outcome.FAIL
    assert next(value for part, value in check.parts.items() if part.endswith(", right")) * sign > 0
    assert next(value for part, value in check.parts.items() if part.endswith(", wrong")) * sign < 0


def test_a_bonus_beyond_some_length_fails() -> None:
    check = PROBE(bench(lambda s: exact(s) + 0.5 * (len(s.completion) > 150), rambling()))
    assert check.outcome is Outcome.FAIL


def test_a_bonus_for_lengths_in_the_middle_fails() -> None:
    check = PROBE(bench(lambda s: 0.3 * exact(s) + float(90 < len(s.completion) < 130), rambling()))
    assert check.outcome is Outcome.FAIL


def test_a_reward_for_length_in_tokens_fails() -> None:
    tokens = [replace(sample, token_ids=(1,) * (len(sample.completion) // 4)) for sample in rambling()]
    check = PROBE(bench(lambda s: len(s.token_ids) / 100, tokens))
    assert check.outcome is Outcome.FAIL


def test_lengths_that_do_not_vary_are_told_by_padding_alone() -> None:
    check = PROBE(bench(lambda s: exact(s) + len(s.completion) / 100))
    assert check.outcome is Outcome.FAIL
    assert "padding" in check.message


def test_a_penalty_for_long_texts_is_meant_to_go_with_length() -> None:
    tokens = [replace(sample, token_ids=(1,) * (len(sample.completion) // 4)) for sample in rambling()]
    check = PROBE(bench(lambda s: -max(0, len(s.token_ids) - 30) / 30, tokens))
    assert check.outcome is Outcome.NOT_APPLICABLE
    paid = PROBE(bench(lambda s: min(0.0, len(s.completion) / 400 - 1), [*rambling(), long()]))
    assert paid.outcome is Outcome.FAIL


def test_a_penalty_for_repetition_is_diluted_by_new_words_and_none_for_length() -> None:
    def repeats(sample: Sample) -> float:
        words = sample.completion.split()
        return len(set(words)) / len(words) - 1

    check = PROBE(bench(repeats, rambling()))
    assert check.outcome is Outcome.NOT_APPLICABLE


def long() -> Sample:
    return replace(sums(1, 1)[0], completion=" ".join(sentence(n) for n in range(12)) + " Answer: 1000")


def test_a_correlation_that_padding_does_not_bear_out_convicts_no_function() -> None:
    def mentions_carry(sample: Sample) -> float:
        return float("carry" in sample.completion)

    check = PROBE(bench(mentions_carry, rambling()))
    assert check.outcome is Outcome.PASS
    assert check.parts["one sentence"] == 0.0


def test_a_model_fails_by_its_correlation_and_filler_may_cost_it() -> None:
    def likes_long(sample: Sample) -> float:
        return exact(sample) + sum(sample.completion.count(step) for step in STEPS) / 3

    check = PROBE(model(likes_long, rambling()))
    assert check.outcome is Outcome.FAIL
    assert check.parts["given correctness"] > 0.45

    def dislikes_filler(sample: Sample) -> float:
        return exact(sample) + 0.3 * noise(sample) - 0.5 * (len(sample.completion) > 400)

    assert PROBE(model(dislikes_filler, rambling())).outcome is Outcome.PASS


def test_noise_is_no_length() -> None:
    for seed in range(3):
        samples = rambling(24, 8, seed=seed)
        noisy = bench(lambda s: exact(s) + 0.2 * noise(s), samples)
        assert PROBE(noisy).outcome is not Outcome.FAIL


def test_few_rewards_and_constant_ones_are_not_judged() -> None:
    assert PROBE(bench(exact, sums(3, 2))).outcome is Outcome.NOT_JUDGED
    assert PROBE(bench(lambda _: 1.0)).outcome is Outcome.NOT_APPLICABLE


def test_nothing_to_pad_and_nothing_that_varies_is_not_judged() -> None:
    bare = [replace(sample, completion=f"Answer: {sample.answer}") for sample in sums()]
    assert PROBE(bench(exact, bare)).outcome in {Outcome.NOT_JUDGED, Outcome.NOT_APPLICABLE}
