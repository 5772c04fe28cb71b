from __future__ import annotations

import re
from dataclasses import replace

import pytest
from benches import bench, sums

from vllm_migrate.reward.answers.same import same_answer
from vllm_migrate.reward.changes.rewritings import REWRITINGS, writes
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.equivalence import PROBE
from vllm_migrate.reward.sample import Sample


def given(sample: Sample) -> str:
    return sample.completion.rpartition("Answer:")[2].strip()


def asked(answers: list[str], form: str = "I work it out. Answer: {}", wrong: str = "7") -> list[Sample]:
    return [
        Sample(f"Question {n}?", form.replace("{}", text), {"answer": answer}, group=n, answer=answer)
        for n, answer in enumerate(answers)
        for text in (answer, wrong, answer)
    ]


THOUSANDS = asked([str(1234 + 511 * n) for n in range(20)])
LETTERS = asked(["ABCD"[n % 4] for n in range(20)], wrong="E")


def to_the_letter(sample: Sample) -> float:
    return float(given(sample) == sample.columns["answer"])


def normalising(sample: Sample) -> float:
    return float(same_answer(given(sample), sample.columns["answer"]))


def gsm8k(sample: Sample) -> float:
    found = re.findall(r"-?[0-9.,]+", given(sample))
    return float(bool(found) and found[-1].replace(",", "") == sample.columns["answer"])


def no_separators(sample: Sample) -> float:
    found = re.findall(r"\d+", given(sample))
    return float(bool(found) and found[-1] == sample.columns["answer"])


@pytest.mark.parametrize("samples", [THOUSANDS, LETTERS, asked([f"{n}/8" for n in range(1, 20, 2)])])
def test_a_normalising_verifier_passes(samples) -> None:
    check = PROBE(bench(normalising, samples))
    assert check.outcome in {Outcome.PASS, Outcome.WARN}
    assert check.outcome is Outcome.PASS or "leading zero" in check.message


def test_one_way_of_writing_is_a_warning_that_names_the_form() -> None:
    check = PROBE(bench(to_the_letter, THOUSANDS))
    assert check.outcome is Outcome.WARN
    assert "plus sign" not in check.message
    assert check.parts["plus sign"] == 1
    assert check.parts["thousands separators"] == 1


def test_an_integer_reader_may_refuse_what_is_no_integer() -> None:
    check = PROBE(bench(gsm8k, THOUSANDS))
    assert check.outcome is Outcome.PASS
    assert check.parts["thousands separators"] == 0
    assert check.parts["zeros after the point"] == 1
    with_zeros = [
        Sample("?", "So it is. Answer: 5678.0", {"answer": "5678"}, group=30 + n, answer="5678")
        for n in range(3)
    ]
    assert PROBE(bench(gsm8k, [*THOUSANDS, *with_zeros])).outcome is Outcome.FAIL


def test_a_reader_that_stumbles_over_separators_fails() -> None:
    check = PROBE(bench(no_separators, THOUSANDS))
    assert check.outcome is Outcome.FAIL
    assert "thousands separators" in check.message
    assert check.worst[0].after == 0
    assert "1,234" in check.worst[0].completion


def test_a_currency_sign_that_is_not_read_is_named() -> None:
    def hashes(sample: Sample) -> float:
        found = re.search(r"#### (-?[0-9.,]+)", sample.completion)
        return float(found is not None and found[1].replace(",", "") == sample.columns["answer"])

    samples = [replace(one, completion=one.completion.replace("Answer:", "####")) for one in THOUSANDS]
    check = PROBE(bench(hashes, samples))
    assert check.outcome is Outcome.WARN
    assert "currency" in check.message


def test_spaces_in_a_box_are_to_be_read() -> None:
    samples = asked([str(n) for n in range(20, 40)], form="So it is \\boxed{{}}.")

    def raw_box(sample: Sample) -> float:
        found = re.findall(r"\\boxed\{([^}]*)\}", sample.completion)
        return float(bool(found) and found[-1].replace("+", "") == sample.columns["answer"])

    check = PROBE(bench(raw_box, samples))
    assert check.outcome is Outcome.FAIL
    assert "spaces around it" in check.message


def test_a_form_that_the_policy_writes_must_be_read() -> None:
    with_commas = [
        Sample("?", "So it is. Answer: 5,678", {"answer": "5678"}, group=30 + n, answer="5678")
        for n in range(3)
    ]
    check = PROBE(bench(to_the_letter, [*THOUSANDS, *with_commas]))
    assert check.outcome is Outcome.FAIL
    assert "thousands separators" in check.message


def test_a_letters_case_is_a_warning_until_the_policy_writes_it() -> None:
    assert PROBE(bench(to_the_letter, LETTERS)).outcome is Outcome.WARN
    lower = [Sample("?", "I choose. Answer: b", {"answer": "B"}, group=30 + n, answer="B") for n in range(3)]
    check = PROBE(bench(to_the_letter, [*LETTERS, *lower]))
    assert check.outcome is Outcome.FAIL
    assert "case" in check.message


def test_what_a_completion_writes() -> None:
    assert writes("Answer: 1,234", "1234") == {"thousands separators"}
    assert writes("Answer: b", "B") == {"case"}
    assert writes("Answer: 1234", "1234") == set()
    assert writes("Answer: 99", "1234") == set()


@pytest.mark.parametrize(
    ("family", "answer", "form", "text"),
    [
        ("thousands separators", "1234", "line", "1,234"),
        ("thousands separators", "1,234", "line", "1234"),
        ("decimals for fractions", "1/2", "line", "0.5"),
        ("fractions for decimals", "0.25", "line", "1/4"),
        ("decimals for fractions", "1/3", "line", None),
        (r"\frac and /", "\\frac{1}{2}", "boxed", "1/2"),
        (r"\frac and /", "-3/4", "boxed", "-\\frac{3}{4}"),
        (r"\dfrac", "\\frac{1}{2}", "boxed", "\\dfrac{1}{2}"),
        ("zeros after the point", "42", "line", "42.0"),
        ("leading zero", "042", "line", None),
        ("plus sign", "-42", "line", None),
        ("percent sign", "50%", "line", "50 %"),
        ("order of a set", "1, 2, 3", "line", "3, 2, 1"),
        ("order of a set", "(1, 2)", "line", None),
        ("order of a set", "\\{1, 2\\}", "boxed", "\\{2, 1\\}"),
        ("case", "Paris", "line", "paris"),
        ("parentheses", "B", "line", "(B)"),
        (r"\text", "Paris", "boxed", "\\text{Paris}"),
        ("dollar signs", "42", "boxed", None),
        ("currency", "42", "hash", "$42"),
        ("currency", "42", "boxed", None),
    ],
)
def test_other_ways_of_writing(family, answer, form, text) -> None:
    rewriting = next(one for one in REWRITINGS if one.family == family)
    assert rewriting.of(answer, form) == text


def test_without_a_reference_there_is_nothing_to_rewrite() -> None:
    assert PROBE(bench(lambda s: len(s.completion) / 100)).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(normalising, sums(4))).outcome is Outcome.NOT_JUDGED
