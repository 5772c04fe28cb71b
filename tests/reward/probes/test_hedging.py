from __future__ import annotations

import re

import pytest
from benches import bench, sums

from vllm_migrate.reward.changes.hedges import EITHER, LISTED, MIDDLE, NEGATED, RIGHT_FIRST, WRONG_FIRST
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.hedging import PROBE
from vllm_migrate.reward.sample import Sample


def written(form: str) -> list[Sample]:
    return [
        sample.with_completion(form.replace("{}", sample.completion.rpartition("Answer: ")[2]))
        for sample in sums()
    ]


BOXED = written("I add the tens. So it is \\boxed{{}}.")
HASHES = written("I add the tens.\n#### {}")
TAGS = written("<think>I add.</think>\n<answer>{}</answer>")


def last_box(sample: Sample) -> float:
    found = re.findall(r"\\boxed\{([^}]*)\}", sample.completion)
    return float(bool(found) and found[-1] == sample.columns["answer"])


def first_box(sample: Sample) -> float:
    found = re.search(r"\\boxed\{([^}]*)\}", sample.completion)
    return float(found is not None and found[1] == sample.columns["answer"])


def any_box(sample: Sample) -> float:
    return float(sample.columns["answer"] in re.findall(r"\\boxed\{([^}]*)\}", sample.completion))


def any_number(sample: Sample) -> float:
    return float(sample.columns["answer"] in re.findall(r"\d+", sample.completion))


def last_number(sample: Sample) -> float:
    return float((re.findall(r"\d+", sample.completion) or [""])[-1] == sample.columns["answer"])


def strict_hashes(sample: Sample) -> float:
    found = re.findall(r"#### (-?[0-9.,]+)", sample.completion)
    return float(bool(found) and found[-1].replace(",", "") == sample.columns["answer"])


def exact_tags(sample: Sample) -> float:
    found = re.fullmatch(r"<think>.*</think>\s*<answer>([^<]*)</answer>", sample.completion, re.DOTALL)
    return float(found is not None and found[1] == sample.columns["answer"])


@pytest.mark.parametrize(
    ("reward", "samples"), [(last_box, BOXED), (strict_hashes, HASHES), (exact_tags, TAGS)]
)
def test_who_reads_one_whole_answer_is_not_hedged_with(reward, samples) -> None:
    check = PROBE(bench(reward, samples))
    assert check.outcome is Outcome.PASS
    assert check.count > 100
    assert check.parts[RIGHT_FIRST] == 0


def test_the_last_of_two_answers_may_be_taken() -> None:
    assert PROBE(bench(last_box, BOXED)).parts[WRONG_FIRST] == 1


@pytest.mark.parametrize(
    ("reward", "samples", "family"),
    [(first_box, BOXED, RIGHT_FIRST), (any_box, BOXED, MIDDLE), (any_number, sums(), LISTED)],
)
def test_first_and_any_matches_are_caught(reward, samples, family) -> None:
    check = PROBE(bench(reward, samples))
    assert check.outcome is Outcome.FAIL
    assert check.parts[family] == 1
    assert check.worst[0].after == 1
    assert check.advice


def test_a_number_anywhere_is_caught_in_both_orders() -> None:
    check = PROBE(bench(any_number))
    assert check.parts[EITHER] == 1
    assert check.parts[MIDDLE] == 1


def test_a_reader_of_the_last_number_is_warned_of_words_it_does_not_see() -> None:
    check = PROBE(bench(last_number))
    assert check.outcome is Outcome.WARN
    assert check.parts[NEGATED] == 1
    assert check.parts[EITHER] == 0


CITIES = (
    "Paris",
    "Rome",
    "Oslo",
    "Lima",
    "Cairo",
    "Tokyo",
    "Bern",
    "Quito",
    "Doha",
    "Accra",
    "Minsk",
    "Hanoi",
)


def capitals() -> list[Sample]:
    return [
        Sample(f"Capital of country {n}?", f"I recall it. Answer: {given}", {"answer": city}, n, city)
        for n, city in enumerate(CITIES)
        for given in (city, CITIES[n - 1], city)
    ]


def test_words_that_are_looked_for_anywhere_are_caught_by_their_negation() -> None:
    check = PROBE(bench(lambda s: float(s.columns["answer"] in s.completion), capitals()))
    assert check.outcome is Outcome.FAIL
    assert check.parts[NEGATED] == 1
    assert check.parts[LISTED] == 1
    assert PROBE(bench(by_line, capitals())).outcome is Outcome.PASS


def by_line(sample: Sample) -> float:
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def test_part_of_the_reward_for_a_part_is_no_acceptance() -> None:
    def overlap(sample: Sample) -> float:
        given = set(re.findall(r"\w+", sample.completion.rpartition("Answer:")[2]))
        wanted = {sample.columns["answer"]}
        return (
            2 * len(given & wanted) / (len(given) + len(wanted))
            + 0.1 * (len(given) == 1)
            - 0.05 * ("I" in given)
        )

    check = PROBE(bench(overlap))
    assert check.parts[EITHER] == 0


def test_without_a_reference_there_is_nothing_to_hedge_about() -> None:
    assert PROBE(bench(lambda s: len(s.completion) / 100)).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(by_line, sums(4))).outcome is Outcome.NOT_JUDGED
