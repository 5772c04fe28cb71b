from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benches import Whole, bench, bench_of, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.swap import PROBE
from vllm_migrate.reward.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence


def referenced(sample: Sample) -> float:
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def test_a_verifier_takes_nothing_from_elsewhere() -> None:
    check = PROBE(bench(referenced))
    assert check.outcome is Outcome.PASS
    assert check.figure is not None
    assert check.figure.value == 1
    assert check.parts["taken for right"] == 0


def test_a_reward_that_looks_through_the_whole_batchs_answers_is_caught() -> None:
    def careless(samples: Sequence[Sample]) -> list[float]:
        answers = [sample.columns["answer"] for sample in samples]  # should be each sample's own
        return [float(s.completion.rpartition("Answer:")[2].strip() in answers) for s in samples]

    check = PROBE(bench_of(Whole(lambda: careless)))  # in batches of eight
    assert check.outcome is Outcome.FAIL
    assert "taken for right" in check.message
    assert check.worst[0].after == 1


def test_right_by_the_number_of_digits_is_caught() -> None:
    def digits(sample: Sample) -> float:
        return float(len(sample.completion.rpartition("Answer:")[2].strip()) == len(sample.columns["answer"]))

    assert PROBE(bench(digits)).outcome is Outcome.FAIL


def spaced() -> list[Sample]:
    """Sums whose answers are far apart."""
    found = []
    for sample in sums():
        number = int(sample.columns["answer"]) + 700 * sample.group
        given = number + int(sample.completion.rpartition(" ")[2]) - int(sample.columns["answer"])
        found.append(
            type(sample)(
                sample.prompt,
                f"So it is. Answer: {given}",
                {"answer": str(number)},
                sample.group,
                str(number),
            )
        )
    return found


def test_a_wide_tolerance_is_not_what_is_asked() -> None:
    def near(sample: Sample) -> float:
        given = float((re.findall(r"\d+", sample.completion) or ["0"])[-1])
        wanted = float(sample.columns["answer"])
        return float(abs(given - wanted) <= 0.001 * wanted)

    assert PROBE(bench(near, spaced())).outcome is Outcome.PASS


def test_a_model_that_does_not_look_at_the_prompt_is_caught() -> None:
    made = bench(lambda sample: float(len(set(sample.completion))))
    made.model = True
    check = PROBE(made)
    assert check.outcome is Outcome.FAIL
    assert check.figure is not None
    assert abs(check.figure.value - 0.5) < 0.1
    assert check.worst
    looks = bench(exact)
    looks.model = True
    assert PROBE(looks).outcome is Outcome.PASS


def test_right_by_itself_whatever_was_asked_is_caught() -> None:
    samples = [
        Sample(
            s.prompt,
            f"{a} + {b} = {s.completion.rpartition(' ')[2]}. {s.completion}",
            s.columns,
            s.group,
            s.answer,
        )
        for s in sums()
        for a, b in [re.findall(r"\d+", s.prompt)]
    ]

    def holds(sample: Sample) -> float:
        a, b, c = map(int, re.findall(r"\d+", sample.completion)[:3])
        return float(a + b == c)

    check = PROBE(bench(holds, samples))
    assert check.outcome is Outcome.FAIL
    assert check.figure is not None
    assert check.figure.value == 0.5


def test_a_reward_for_form_is_not_asked() -> None:
    check = PROBE(bench(lambda sample: float("Answer" in sample.completion)))
    assert check.outcome is Outcome.NOT_APPLICABLE


def test_few_prompts_are_not_judged() -> None:
    assert PROBE(bench(referenced, sums(5))).outcome is Outcome.NOT_JUDGED
