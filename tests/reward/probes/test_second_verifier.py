from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from benches import bench, sums

from vllm_migrate.reward.answers.second import opinions_of
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.second_verifier import PROBE, table_of

if TYPE_CHECKING:
    from vllm_migrate.reward.sample import Sample


def verifier(sample: Sample) -> float:
    """Right and wrong, from the column that a real reward sees."""
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def test_a_verifier_that_is_right_passes() -> None:
    check = PROBE(bench(verifier))
    assert check.outcome is Outcome.PASS
    assert "kappa 1.00" in check.message
    assert check.parts["confirmed by math-verify"] in {0, 1}  # by whether the extra is installed
    assert check.parts["right, paid"] == pytest.approx(2 / 3)
    assert check.message == "they disagree on 0 of 120 samples (kappa 1.00)"


def test_what_finds_the_answer_anywhere_pays_for_wrong_ones() -> None:
    samples = [
        replace(s, completion=f"Not {s.answer}. {s.completion}") if n % 2 else s for n, s in enumerate(sums())
    ]
    check = PROBE(bench(lambda s: float(s.columns["answer"] in s.completion), samples))
    assert check.outcome is Outcome.FAIL
    assert check.parts["wrong, paid"] > 0.1
    assert check.worst[0].change.startswith("wrong and paid: gives '")
    assert check.worst[0].after == 1


def test_what_compares_strings_misses_right_ones() -> None:
    samples = [
        replace(s, completion=s.completion.rpartition(":")[0] + f": {s.answer}.0")
        if n % 2 == 0 and verifier(s)
        else s
        for n, s in enumerate(sums())
    ]
    check = PROBE(bench(verifier, samples))
    assert check.outcome is Outcome.FAIL
    assert check.parts["right, not paid"] > 0.2
    assert "values, not strings" in check.advice
    table = table_of(bench(verifier, samples))
    assert table is not None
    assert (~table.paid[table.right]).mean() > 0.2
    assert not table.paid[~table.right].any()
    assert not table.right.all()


def test_a_form_that_it_does_not_read_is_its_own_demand() -> None:
    samples = [
        replace(s, completion=s.completion.replace("Answer: ", "#### ")) if n % 4 == 0 else s
        for n, s in enumerate(sums())
    ]
    check = PROBE(bench(verifier, samples))
    assert check.outcome is Outcome.PASS
    assert "not read by this reward: hash answers" in check.message


def test_a_verifier_that_accepts_nothing_of_one_form_among_none_is_caught() -> None:
    check = PROBE(bench(lambda s: float(verifier(s) == 0)))
    assert check.outcome is Outcome.FAIL
    assert "kappa -" in check.message


def test_partial_credit_is_cut_where_it_separates_best() -> None:
    def partial(sample: Sample) -> float:
        digits = sum(
            a == b for a, b in zip(sample.completion[::-1], sample.columns["answer"][::-1], strict=False)
        )
        return 1.0 if verifier(sample) else 0.1 * digits

    check = PROBE(bench(partial))
    assert check.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda s: float("tens" in s.completion and s.group % 2), "does not look at the reference answer"),
        (lambda s: float(len(s.completion)), "does not look at the reference answer"),
        (lambda _: 1.0, "don't vary"),
        (lambda s: verifier(s) * 0.01 + (s.group * 37 % 101), "don't separate right from wrong"),
    ],
)
def test_a_reward_about_something_else_is_not_applicable(function, why: str) -> None:
    check = PROBE(bench(function))
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert why in check.message


def test_no_answers_or_a_model_is_not_applicable() -> None:
    plain = [replace(s, answer=None) for s in sums()]
    assert "no reference answers" in PROBE(bench(verifier, plain)).message
    made = bench(verifier)
    made.model = True
    assert PROBE(made).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(verifier, sums(3))).outcome is Outcome.NOT_JUDGED


def test_numbers_on_the_way_are_no_wrong_answer() -> None:
    """Where nothing marks the answer and it stands in the text, its last number proves nothing."""
    samples = [
        replace(s, completion=re.sub(r"Answer: (\d+)", r"It is \1 in 3 steps", s.completion)) for s in sums()
    ]
    made = bench(lambda s: float(f"is {s.columns['answer']} in" in s.completion), samples)
    assert opinions_of(made)
    assert not any(opinion.right for opinion in opinions_of(made).values())
    assert all(s.answer not in s.completion for i, s in enumerate(made.samples) if i in opinions_of(made))
