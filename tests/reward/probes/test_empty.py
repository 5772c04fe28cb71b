from __future__ import annotations

import random
import re

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.empty import PROBE
from vllm_migrate.reward.sample import Sample


def referenced(sample: Sample) -> float:
    """As `exact`, from the columns, as a real reward gets it."""
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def tagged(sample: Sample) -> float:
    """Half for the tags, half for the right answer in them, as accuracy and format rewards add up."""
    found = re.fullmatch(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", sample.completion, re.DOTALL)
    right = found is not None and found[2].strip() == sample.columns["answer"]
    return 0.5 * float(found is not None) + 0.5 * right


def written(form: str, prompts: int = 30) -> list[Sample]:
    return [
        sample.with_completion(form.format(sample.completion.rpartition("Answer: ")[2]))
        for sample in sums(prompts)
    ]


IN_TAGS = "<think>I add the tens, then the ones.</think>\n<answer>{}</answer>"


def test_a_verifier_gives_nothing_and_the_bound_is_told() -> None:
    check = PROBE(bench(referenced))
    assert check.outcome is Outcome.PASS
    assert check.figure is not None
    assert check.figure.value == 0
    assert check.figure.high < 0.01
    assert check.count >= 100
    assert set(check.parts) >= {"empty", "white space", "echo of the prompt", "filler", "think tags only"}


@pytest.mark.parametrize(
    ("family", "pays"),
    [
        ("empty", lambda text: not text),
        ("white space", lambda text: not text.strip()),
        ("echo of the prompt", lambda text: text.startswith("What is")),
        ("filler", lambda text: len(text) > 1000),
        ("think tags only", lambda text: text.startswith("<think>") and text.endswith("</think>")),
        ("empty answer", lambda text: text == "Answer:"),
        ("no answer", lambda text: "sorry" in text),
    ],
)
def test_each_family_is_caught_and_named(family, pays) -> None:
    check = PROBE(bench(lambda sample: float(pays(sample.completion) or referenced(sample))))
    assert check.outcome is Outcome.FAIL
    assert family in check.message
    assert check.parts[family] >= 0.2
    assert check.worst[0].after == 1
    assert check.worst[0].before == 0


def test_pay_for_tags_beside_pay_for_the_answer_is_no_finding() -> None:
    for samples in (written(IN_TAGS), sums()):
        check = PROBE(bench(tagged, samples))
        assert check.outcome is not Outcome.FAIL
    assert PROBE(bench(tagged, written(IN_TAGS))).outcome is Outcome.PASS


def test_a_reward_for_form_may_pay_for_form() -> None:
    def thinks(sample: Sample) -> float:
        return float(re.match(r"<think>.*</think>", sample.completion, re.DOTALL) is not None)

    samples = [s for pair in zip(written(IN_TAGS), sums(), strict=True) for s in pair]
    assert PROBE(bench(thinks, samples)).outcome is Outcome.PASS


def test_penalties_and_pay_for_length_are_other_probes_business() -> None:
    assert PROBE(bench(lambda s: -max(0, len(s.completion) - 5000) / 100)).outcome is Outcome.NOT_APPLICABLE
    longer = [sample.with_completion("so " * turn + sample.completion) for turn, sample in enumerate(sums())]
    assert PROBE(bench(lambda s: 1 - len(s.completion) / 1000, longer)).outcome is Outcome.PASS
    assert PROBE(bench(lambda s: len(s.completion) / 1000, longer)).outcome is Outcome.PASS


def test_a_right_answer_less_its_length_is_no_finding() -> None:
    longer = [
        sample.with_completion("so " * (turn % 7) + sample.completion) for turn, sample in enumerate(sums())
    ]
    check = PROBE(bench(lambda s: referenced(s) - 0.005 * len(s.completion), longer))
    assert check.outcome in {Outcome.PASS, Outcome.WARN}


def test_a_little_for_nothing_is_a_warning() -> None:
    check = PROBE(bench(lambda s: 0.3 if not s.completion.strip() else referenced(s)))
    assert check.outcome is Outcome.WARN
    assert check.worst[0].after == 0.3


def test_a_model_that_likes_nothing_said_is_caught() -> None:
    made = bench(lambda sample: exact(sample) + (2.0 if not sample.completion.strip() else 0.0))
    made.model = True
    check = PROBE(made)
    assert check.outcome is Outcome.FAIL
    assert "median wrong sample" in check.message


def test_a_model_whose_wrong_answers_are_worth_as_much_is_no_finding_by_chance() -> None:
    def noisy(sample: Sample) -> float:
        draw = random.Random(sample.completion + sample.prompt)  # noqa: S311 - nothing secret is drawn
        return 2 * exact(sample) + draw.gauss(0, 0.7)

    made = bench(noisy)
    made.model = True
    assert PROBE(made).outcome is not Outcome.FAIL


def test_the_echo_of_a_question_with_choices_may_be_right_by_chance() -> None:
    samples = [
        Sample(
            prompt=f"Question {number}? (A) one (B) two (C) three (D) four",
            completion=f"I weigh them. Answer: {letter}",
            columns={"answer": "ABCD"[number % 4]},
            group=number,
            answer="ABCD"[number % 4],
        )
        for number in range(32)
        for letter in "ABC"
    ]

    def last_letter(sample: Sample) -> float:
        return float((re.findall(r"\b[A-D]\b", sample.completion) or [""])[-1] == sample.columns["answer"])

    def any_letter(sample: Sample) -> float:
        return float(sample.columns["answer"] in re.findall(r"\b[A-D]\b", sample.completion))

    assert PROBE(bench(last_letter, samples)).outcome is Outcome.PASS
    check = PROBE(bench(any_letter, samples))
    assert check.outcome is Outcome.FAIL
    assert "echo" in check.message


def test_too_few_prompts_are_not_judged() -> None:
    check = PROBE(bench(referenced, sums(3)))
    assert check.outcome is Outcome.NOT_JUDGED
    assert "prompts" in check.message
    assert PROBE(bench(lambda _: None)).outcome is Outcome.NOT_JUDGED
