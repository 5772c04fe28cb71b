from __future__ import annotations

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.answers.find import same_answer
from vllm_migrate.reward.answers.reference import held_against_others, reads_answer
from vllm_migrate.reward.figures import judged
from vllm_migrate.reward.outcome import Limits, Outcome
from vllm_migrate.statistics.verdict import Estimate


def by_column(sample) -> float:
    """As a real reward: it sees the columns, not what was read out of them."""
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.columns["answer"])


def test_a_verifier_reads_the_reference() -> None:
    made = bench(by_column)
    assert reads_answer(made)
    for index, changed in held_against_others(made):
        sample = made.samples[index]
        assert changed.completion == sample.completion
        assert not same_answer(changed.columns["answer"], sample.columns["answer"])


@pytest.mark.parametrize(
    "function",
    [
        lambda _: 0.0,
        lambda sample: len(sample.completion) / 100,
        lambda sample: float("Answer:" in sample.completion),
    ],
)
def test_a_reward_for_form_or_length_does_not(function) -> None:
    assert not reads_answer(bench(function))


def test_a_verifier_that_found_nothing_right_yet_still_reads_it() -> None:
    wrong = [sample for sample in sums() if not exact(sample)]
    made = bench(by_column, wrong)
    assert len(made.levels) == 1
    assert reads_answer(made)


def test_without_a_column_that_holds_it_nothing_can_be_read() -> None:
    made = bench(exact, [sample.with_completion(sample.completion) for sample in sums()])
    for sample in made.samples:
        sample.columns.clear()
    assert not reads_answer(made)


def test_a_failure_needs_the_whole_interval_beyond_the_limit() -> None:
    limits = Limits(0.5, 0.8, above=True, source="judgement")
    assert judged(limits, Estimate(0.9, 0.85, 0.95)) is Outcome.FAIL
    assert judged(limits, Estimate(0.9, 0.7, 0.99)) is Outcome.WARN
    assert judged(limits, Estimate(0.6, 0.3, 0.9)) is Outcome.WARN
    assert judged(limits, Estimate(0.4, 0.3, 0.9)) is Outcome.PASS
    assert judged(limits, Estimate(0.9)) is Outcome.FAIL
    below = Limits(0.95, 0.8, above=False, source="judgement")
    assert judged(below, Estimate(0.7, 0.5, 0.9)) is Outcome.WARN
    assert judged(below, Estimate(0.7, 0.5, 0.75)) is Outcome.FAIL
