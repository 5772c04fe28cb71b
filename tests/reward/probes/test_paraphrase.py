from __future__ import annotations

import re

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.answers.find import given_answer
from vllm_migrate.reward.changes.rewording import CONNECTING, CONTRACTED, OPENING, SYNONYMS, reworded
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.paraphrase import PROBE
from vllm_migrate.reward.sample import Sample

ALL = reworded(CONNECTING | CONTRACTED | SYNONYMS, opening=OPENING)
NEGATIVE = re.compile(r"\b(?:no|not|never|none|nor|without)\b|n't")


def rewritten(text: str) -> str | None:
    return ALL(Sample("What?", text, answer="42"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Then I add the ones. Answer: 42", "After that I sum the ones. Answer: 42"),
        ("First, we compute it. Answer: 42", "To begin with, we work out it. Answer: 42"),
        (
            "That one goes. First part it is. So far it went. Answer: 42",
            "That one goes. First part it is. Up to now it went. Answer: 42",
        ),
        ("It's easy. We see the first part. Answer: 42", None),
        ("We know it, so we look at it. Answer: 42", "We know it, hence we consider it. Answer: 42"),
        (
            "I'm sure it is big because I see it. Answer: 42",
            "I am sure it's large since I notice it. Answer: 42",
        ),
        ('We use `use` and $use + 1$ and "use" here. Answer: 42', None),
    ],
)
def test_words_are_swapped_and_nothing_else(text: str, expected: str | None) -> None:
    found = rewritten(text)
    assert found is not None
    if expected is not None:
        assert found == expected
    assert found.endswith("Answer: 42")
    for kept in ("`use`", "$use + 1$", '"use"', "first part"):
        assert (kept in found) == (kept in text)


def test_no_rule_touches_a_negation_or_a_number() -> None:
    for words in (OPENING, CONNECTING, CONTRACTED, SYNONYMS):
        for old, new in words.items():
            assert not NEGATIVE.search(old)
            assert not NEGATIVE.search(new)
            assert not re.search(r"\d", old + new)
            assert old == old.lower()
            assert old != new


def test_the_answer_is_what_it_was() -> None:
    for sample in sums():
        text = ALL(sample)
        assert text is not None
        assert given_answer(text) is not None
        assert given_answer(text).text == given_answer(sample.completion).text
        assert re.findall(r"\d+", text) == re.findall(r"\d+", sample.completion)


def test_a_verifier_passes() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.parts["connecting words"] == 1.0


def test_a_reward_for_certain_words_fails() -> None:
    check = PROBE(bench(lambda sample: exact(sample) * (0.5 + 0.5 * ("Then " in sample.completion))))
    assert check.outcome is Outcome.FAIL
    assert check.parts["connecting words"] == 0.0
    assert check.worst


def test_a_length_payer_is_left_to_the_length_probe() -> None:
    assert PROBE(bench(lambda sample: exact(sample) + len(sample.completion) / 30)).outcome is Outcome.PASS


def test_words_that_no_rule_knows_are_not_asked() -> None:
    bare = [sample.with_completion(sample.completion.rpartition(" ")[2]) for sample in sums()]
    assert PROBE(bench(exact, bare)).outcome is Outcome.NOT_APPLICABLE


def test_a_penalty_is_about_words() -> None:
    check = PROBE(bench(lambda sample: -0.5 * ("Then " in sample.completion and sample.group % 2)))
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert "penalty" in check.message
