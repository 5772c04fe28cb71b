from __future__ import annotations

import time
from dataclasses import replace

import pytest
from benches import Asked, Whole, bench, bench_of, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.contract import PROBE, kind_of
from vllm_migrate.reward.sample import Sample, Score


def test_one_number_a_text_passes() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.message == "one finite number a text, from 0 to 1"
    assert check.figure is not None
    assert check.figure.value == 0


def test_one_value_for_the_batch_is_called_so() -> None:
    check = PROBE(bench_of(Whole(lambda: lambda samples: [exact(samples[0])] * len(samples))))
    assert check.outcome is Outcome.FAIL
    assert "one value for the whole batch" in check.message


def test_a_wrong_count_is_quoted() -> None:
    check = PROBE(bench_of(Whole(lambda: lambda samples: [exact(samples[0])])))
    assert check.outcome is Outcome.FAIL
    assert "wrong count" in check.message
    assert "returned 1 rewards for 8 completions" in check.message
    assert check.parts["alone"] == 0
    assert check.parts["in batches"] == 1


def nan_on_empty(sample: Sample) -> float:
    return exact(sample) if sample.completion.strip() else float("nan")


class Finite(Asked):
    def _one(self, sample: Sample) -> Score:
        score = super()._one(sample)
        return score if score.value == score.value else Score(None, "returned nan")


def test_nan_on_an_empty_text_fails_and_names_the_text() -> None:
    check = PROBE(bench_of(Finite(nan_on_empty)))
    assert check.outcome is Outcome.FAIL
    assert "not finite" in check.message
    assert "an empty completion" in check.message
    assert check.parts["empty"] == 1
    assert check.parts["samples"] == 0


def ascii_only(sample: Sample) -> float:
    if not sample.completion.isascii():
        raise ValueError("'ascii' codec can't encode")
    return exact(sample)


def test_what_raises_on_other_scripts_fails() -> None:
    check = PROBE(bench(ascii_only))
    assert check.outcome is Outcome.FAIL
    assert "raises ValueError" in check.message
    assert check.parts["other scripts"] == 1
    assert "emoji" in check.worst[0].change


def divides(sample: Sample) -> float:
    if "1/0" in sample.completion:
        raise ValueError("division by zero")
    return exact(sample)


def test_what_raises_on_an_odd_text_is_a_warning() -> None:
    check = PROBE(bench(divides))
    assert check.outcome is Outcome.WARN
    assert "1/0 as its answer" in check.message


class Hangs(Asked):
    """As the sandbox answers for a function that loops where a box is not closed."""

    def _one(self, sample: Sample) -> Score:
        opened = sample.completion.count("{") > sample.completion.count("}")
        return Score(None, "did not return within 10 s") if opened else super()._one(sample)


def test_what_hangs_on_an_odd_text_fails() -> None:
    check = PROBE(bench_of(Hangs(exact)))
    assert check.outcome is Outcome.FAIL
    assert "cut off in a box" in check.message


def test_a_completion_cut_off_in_its_box_is_one_that_every_policy_writes() -> None:
    def read(sample: Sample) -> float:
        _, opened, rest = sample.completion.partition("\\boxed{")
        if opened and "}" not in rest:
            raise ValueError("no closing brace")
        return float(rest.partition("}")[0] == sample.answer)

    samples = [
        replace(one, completion=one.completion.replace("Answer: ", "\\boxed{") + "}.") for one in sums()
    ]
    check = PROBE(bench(read, samples))
    assert check.outcome is Outcome.FAIL
    assert "cut off in the answer" in check.message


def test_faults_on_the_samples_fail() -> None:
    def raises(sample: Sample) -> float:
        if sample.group == 3:
            raise ValueError("no such key")
        return exact(sample)

    check = PROBE(bench(raises))
    assert check.outcome is Outcome.FAIL
    assert "no such key" in check.message


def test_none_for_some_is_allowed_and_for_many_said() -> None:
    few = PROBE(bench(lambda sample: None if sample.group == 0 else exact(sample)))
    assert few.outcome is Outcome.PASS
    assert "None for 3.3%" in few.message
    many = PROBE(bench(lambda sample: None if sample.group % 2 else exact(sample)))
    assert many.outcome is Outcome.WARN
    none = PROBE(bench(lambda _: None))
    assert none.outcome is Outcome.FAIL


def test_rewards_beyond_all_measure_are_a_warning() -> None:
    assert PROBE(bench(lambda sample: 1e6 * exact(sample))).outcome is Outcome.WARN


def test_what_is_slow_on_long_texts_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [0.0]

    def slow(sample: Sample) -> float:
        passed[0] += len(sample.completion) / 10_000
        return exact(sample)

    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    check = PROBE(bench(slow))
    assert check.outcome is Outcome.WARN
    assert "60,0" in check.message


def test_nothing_to_score_is_not_judged() -> None:
    assert PROBE(bench(exact, [])).outcome is Outcome.NOT_JUDGED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reward function a.py:f raised KeyError: 'answer'", "raises KeyError"),
        ("returned 3 rewards for 8 completions", "wrong count"),
        ("returned nan", "not finite"),
        ("returned str, not a number", "wrong type"),
        ("did not return within 10 s", "hangs"),
        ("ended its process (exit status -11)", "ends its process"),
        ("ran out of the memory it is allowed", "out of memory"),
        ("not scored: its process hung or ended 50 times before", "not scored"),
        ("something else", "other"),
    ],
)
def test_faults_are_sorted_by_kind(fault: str, kind: str) -> None:
    assert kind_of(fault) == kind


def test_few_samples_are_enough() -> None:
    assert PROBE(bench(exact, sums(1, 1))).outcome is Outcome.PASS
