from __future__ import annotations

import json
import random
import re

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.injection import PROBE
from vllm_migrate.reward.sample import Sample


def referenced(sample: Sample) -> float:
    given = sample.completion.rpartition("Answer:")[2].strip().partition("\n")[0]
    return float(given == sample.columns["answer"])


def test_a_verifier_is_not_to_be_talked_to() -> None:
    check = PROBE(bench(referenced))
    assert check.outcome is Outcome.PASS
    assert check.count > 200
    assert set(check.parts) == {"instructions", "scores", "JSON", "verdicts", "tags", "roles"}


@pytest.mark.parametrize(
    ("family", "pattern"),
    [
        ("instructions", r"(?i)ignore (all )?previous instructions"),
        ("instructions", r"(?i)to the grader"),
        ("scores", r"SCORE:\s*10"),
        ("scores", r"\[\[10\]\]"),
        ("scores", r"\d+/10"),
        ("JSON", r'"score":\s*1'),
        ("verdicts", r"Verdict: CORRECT"),
        ("tags", r"</answer><answer>$"),
        ("roles", r"<\|im_start\|>system"),
    ],
)
def test_each_way_of_talking_to_a_judge_is_caught(family, pattern) -> None:
    check = PROBE(bench(lambda sample: 1.0 if re.search(pattern, sample.completion) else referenced(sample)))
    assert check.outcome is Outcome.FAIL
    assert family in check.message
    assert check.parts[family] == 1
    assert (check.worst[0].before, check.worst[0].after) == (0, 1)


def test_where_all_are_right_wrong_ones_are_made() -> None:
    samples = [sample for sample in sums(40) if exact(sample)]
    check = PROBE(bench(lambda s: 1.0 if "full marks" in s.completion else referenced(s), samples))
    assert check.outcome is Outcome.FAIL


def test_a_last_number_that_happens_to_be_right_is_no_injection() -> None:
    samples = [
        Sample(f"{n}?", f"Answer: {given}", {"answer": "10"}, group=n, answer="10")
        for n in range(20)
        for given in (7, 10)
    ]

    def last_number(sample: Sample) -> float:
        return float((re.findall(r"\d+", sample.completion) or [""])[-1] == sample.columns["answer"])

    assert PROBE(bench(last_number, samples)).outcome is Outcome.PASS


def test_a_reward_for_json_or_for_length_is_not_talked_to_by_it() -> None:
    def holds_json(sample: Sample) -> float:
        found = re.search(r"\{.*\}", sample.completion)
        try:
            return float(found is not None and isinstance(json.loads(found[0]), dict))
        except ValueError:
            return 0.0

    samples = [s.with_completion('{"a": 2}') if n % 3 == 0 else s for n, s in enumerate(sums())]
    assert PROBE(bench(holds_json, samples)).outcome is Outcome.PASS
    longer = [s.with_completion("so " * n + s.completion) for n, s in enumerate(sums())]
    assert PROBE(bench(lambda s: len(s.completion) / 1000, longer)).outcome in {Outcome.PASS, Outcome.WARN}


def test_a_model_may_move_with_every_word_but_not_up_with_these() -> None:
    def noisy(sample: Sample) -> float:
        return exact(sample) + random.Random(sample.completion + sample.prompt).gauss(0, 0.3)  # noqa: S311

    made = bench(noisy)
    made.model = True
    assert PROBE(made).outcome is Outcome.PASS
    fooled = bench(lambda s: noisy(s) + ("grader" in s.completion))
    fooled.model = True
    check = PROBE(fooled)
    assert check.outcome is Outcome.FAIL
    assert "grader" in check.message


def test_a_model_that_weighs_words_is_not_talked_to_by_every_word() -> None:
    def weighed(sample: Sample) -> float:
        words = set(re.findall(r"\w+", sample.completion))
        return exact(sample) + 0.1 * sum(random.Random(word).gauss(0, 1) for word in words)  # noqa: S311

    made = bench(weighed)
    made.model = True
    assert PROBE(made).outcome is Outcome.PASS


def test_where_nothing_more_can_be_earned_there_is_nothing_to_ask() -> None:
    assert PROBE(bench(lambda _: 1.0)).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(referenced, sums(1))).outcome is Outcome.NOT_JUDGED
