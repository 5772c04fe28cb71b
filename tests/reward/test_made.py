from __future__ import annotations

import re

import pytest
from benches import Asked

from vllm_migrate.reward.answers.made import accepted_form, made_samples, wrong_answer
from vllm_migrate.reward.answers.same import compare
from vllm_migrate.reward.sample import Sample


def prompts(count: int = 10) -> list[Sample]:
    return [
        Sample(f"What is {n}+{n}?", "", {"answer": str(2 * n)}, group=n, answer=str(2 * n))
        for n in range(count)
    ]


def reading(pattern: str):
    def judge(sample: Sample) -> float:
        match = re.search(pattern, sample.completion)
        return float(match is not None and match[1] == sample.columns["answer"])

    return judge


@pytest.mark.parametrize(
    ("pattern", "form"),
    [
        (r"\\boxed\{(\d+)\}", "boxed"),
        (r"Answer: (\d+)$", "answer line"),
        (r"#### (\d+)", "hashes"),
        (r"<answer>\s*(\d+)\s*</answer>", "answer tags"),
        (r"^<think>[\s\S]*</think>\s*<answer>\s*(\d+)", "thoughts and answer tags"),
        (r"^(\d+)$", "bare"),
    ],
)
def test_the_form_that_the_reward_reads_is_found_by_asking_it(pattern: str, form: str) -> None:
    assert accepted_form(Asked(reading(pattern)), prompts()).name == form


def test_half_of_them_are_right_and_the_reward_tells_which() -> None:
    scorer = Asked(reading(r"#### (\d+)"))
    samples = made_samples(prompts(), scorer)
    assert len(samples) == 40
    assert not any(sample.sampled for sample in samples)
    assert [score.value for score in scorer.score(samples)] == [1.0, 0.0] * 20
    assert len({len(sample.completion) for sample in samples}) > 10
    assert samples == made_samples(prompts(), scorer)


def test_prompts_without_an_answer_are_left_out() -> None:
    scorer = Asked(lambda _: 1.0)
    assert made_samples([Sample("Hello", "")], scorer) == ()
    assert {sample.group for sample in made_samples([*prompts(2), Sample("Hello", "", group=9)], scorer)} == {
        0,
        1,
    }


@pytest.mark.parametrize(
    "answer", ["42", "-7", "1/2", "0.5", "1,000", "007", "B", "(C)", r"\frac{3}{4}", "(1, 2)", "yes", "True"]
)
def test_a_wrong_answer_is_surely_wrong(answer: str) -> None:
    for turn in range(4):
        wrong = wrong_answer(answer, turn)
        assert wrong is not None
        assert compare(wrong, answer) is False


def test_words_are_answered_with_other_prompts_words() -> None:
    assert wrong_answer("Paris", others=["Paris", "Rome"]) == "Rome"
    assert wrong_answer("Paris") is None
