from __future__ import annotations

import re

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.changes.corruptions import (
    DIGITS,
    DROPPED,
    FARTHER,
    LONGER,
    NEAR,
    NEGATED,
    SIGN,
    UNIT,
    corruptions,
)
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.sensitivity import PROBE
from vllm_migrate.reward.sample import Sample


def given(sample: Sample) -> str:
    return sample.completion.rpartition("Answer:")[2].strip()


def referenced(sample: Sample) -> float:
    return float(given(sample) == sample.columns["answer"])


def numbers(text: str) -> list[str]:
    return re.findall(r"-?\d+(?:\.\d+)?", text)


def test_a_verifier_sees_every_wrong_answer() -> None:
    check = PROBE(bench(referenced))
    assert check.outcome is Outcome.PASS
    assert check.figure is not None
    assert check.figure.value == 1
    assert {FARTHER, SIGN, DIGITS, DROPPED} <= set(check.parts)


def blind_to_sign(sample: Sample) -> float:
    return float(sample.columns["answer"] in re.findall(r"\d+", given(sample)))


def blind_to_order(sample: Sample) -> float:
    return float(sorted(given(sample)) == sorted(sample.columns["answer"]))


def any_number(sample: Sample) -> float:
    return float(bool(numbers(given(sample))) and sample.columns["answer"] != "0")


def no_answer_needed(sample: Sample) -> float:
    return float(given(sample) == sample.columns["answer"] or "Answer:" not in sample.completion)


@pytest.mark.parametrize(
    ("reward", "family"),
    [(blind_to_sign, SIGN), (blind_to_order, DIGITS), (no_answer_needed, DROPPED)],
)
def test_what_a_reward_does_not_see_is_named(reward, family) -> None:
    check = PROBE(bench(reward, two_digits()))
    assert check.outcome is Outcome.FAIL
    assert family in check.message
    assert check.parts[family] == 0
    assert check.worst[0].before == check.worst[0].after == 1


def two_digits() -> list[Sample]:
    return [
        Sample(f"{n}?", f"I add. Answer: {n + wrong}", {"answer": str(n)}, group=n, answer=str(n))
        for n in range(12, 40)
        if n % 11
        for wrong in (0, 1, 0, 2)
    ]


def test_a_tolerance_is_told_and_not_blamed() -> None:
    def near(sample: Sample) -> float:
        found = numbers(given(sample))
        wanted = float(sample.columns["answer"])
        return float(bool(found) and abs(float(found[-1]) - wanted) <= 0.02 * wanted)

    check = PROBE(bench(near))
    assert check.outcome is Outcome.PASS
    assert check.parts[NEAR] < 0.5
    assert "a little off" in check.message


def test_a_wide_tolerance_is_caught() -> None:
    def near(share: float):
        def reward(sample: Sample) -> float:
            found = numbers(given(sample))
            wanted = float(sample.columns["answer"])
            return float(bool(found) and abs(float(found[-1]) - wanted) <= share * wanted)

        return reward

    assert PROBE(bench(near(0.06))).outcome is Outcome.WARN
    assert PROBE(bench(near(0.1))).outcome is Outcome.FAIL


def test_a_prefix_is_no_answer() -> None:
    check = PROBE(bench(lambda s: float(given(s).startswith(s.columns["answer"]))))
    assert check.outcome is Outcome.FAIL
    assert check.parts[LONGER] == 0.5


def test_no_unit_seen_is_a_warning() -> None:
    samples = [
        Sample(
            f"How far is {n}?", f"So far. Answer: {n} km", {"answer": f"{n} km"}, group=n, answer=f"{n} km"
        )
        for n in range(20, 40)
    ] + [
        Sample(f"How far is {n}?", "So far. Answer: 7 km", {"answer": f"{n} km"}, group=n, answer=f"{n} km")
        for n in range(20, 40)
    ]

    def unitless(sample: Sample) -> float:
        return float(numbers(given(sample))[:1] == numbers(sample.columns["answer"]))

    check = PROBE(bench(unitless, samples))
    assert check.outcome is Outcome.WARN
    assert check.parts[UNIT] == 0
    assert PROBE(bench(referenced, samples)).outcome is Outcome.PASS


def test_a_model_that_weighs_the_answer_lightly_is_caught() -> None:
    made = bench(lambda sample: exact(sample) + len(sample.completion) / 100)
    made.model = True
    assert PROBE(made).outcome is Outcome.PASS
    blind = bench(lambda sample: float(len(sample.prompt)) + 0.1 * (sum(map(ord, sample.completion)) % 7))
    blind.model = True
    assert PROBE(blind).outcome is Outcome.FAIL


def test_words_and_choices_have_corruptions_too() -> None:
    made = corruptions([Sample("?", "It is. Answer: Paris", answer="Paris")], ["Paris", "Rome", "Oslo"])
    assert {one.sample.completion for one in made} == {
        "It is. Answer: Rome",
        "It is. Answer: Oslo",
        "It is. Answer: not Paris",
        "It is.",
    }
    assert NEGATED in {one.family for one in made}
    made = corruptions([Sample("?", "Answer: B", answer="B")], ["B", "A"])
    assert {"Answer: A", "Answer: C"} <= {one.sample.completion for one in made}


def test_where_there_are_no_answers_nothing_is_asked() -> None:
    assert PROBE(bench(lambda s: float(len(s.completion)))).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(referenced, sums(4))).outcome is Outcome.NOT_JUDGED
    bare = [Sample(s.prompt, s.completion, group=s.group) for s in sums()]
    made = bench(lambda s: float(len(s.completion)) + len(s.prompt), bare)
    made.model = True
    assert PROBE(made).outcome is Outcome.NOT_APPLICABLE
