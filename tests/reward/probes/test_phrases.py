from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.phrases import NEUTRAL, PHRASES, PROBE

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.reward.sample import Sample


def test_phrases_and_neutral_sentences_are_equally_long() -> None:
    texts = [*NEUTRAL, *(text for wordings in PHRASES.values() for text in wordings)]
    assert {(len(text), len(text.split())) for text in texts} == {(71, 13)}
    assert [text.count(".") for text in NEUTRAL] == [1, 2]


def test_a_verifier_passes() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert set(check.parts.values()) == {0.0}
    assert len(check.parts) == 3 * len(PHRASES)


@pytest.mark.parametrize(
    ("pays", "family", "verb"),
    [
        (lambda text: 0.3 * ("absolutely certain" in text), "certainty", "earns"),
        (lambda text: 0.5 * text.startswith("Great question"), "praise, in front", "earns"),
        (lambda text: -0.3 * ("perhaps" in text or "maybe" in text), "hedging", "costs"),
        (lambda text: 0.3 * ("As you said" in text), "agreement", "earns"),
        (lambda text: 0.3 * text.endswith("helpful."), "politeness, at the end", "earns"),
    ],
)
def test_what_pays_is_named_with_its_sign(pays: Callable[[str], float], family: str, verb: str) -> None:
    check = PROBE(bench(lambda sample: 0.5 * exact(sample) + pays(sample.completion)))
    assert check.outcome is Outcome.FAIL
    assert check.message.startswith(family)
    assert verb in check.message
    assert check.worst


def test_refusals_may_cost_and_must_not_earn() -> None:
    def refuses(sample: Sample) -> bool:
        return "cannot" in sample.completion or "can't" in sample.completion

    assert PROBE(bench(lambda sample: exact(sample) * (not refuses(sample)))).outcome is Outcome.PASS
    check = PROBE(bench(lambda sample: 1.0 if refuses(sample) else exact(sample)))
    assert check.outcome is Outcome.FAIL
    assert check.message.startswith("refusal")


def test_a_reward_for_length_or_sentences_is_no_reward_for_phrases() -> None:
    check = PROBE(
        bench(
            lambda s: (
                exact(s) + len(s.completion) / 50 + len(s.completion.split()) / 9 + s.completion.count(".")
            )
        )
    )
    assert abs(check.parts["hedging, in front"]) < 1e-9
    assert check.outcome is not Outcome.FAIL or check.message.startswith(("praise", "certainty"))


def test_a_small_change_is_less_for_a_model() -> None:
    def judge(sample: Sample) -> float:
        noise = random.Random(sample.completion).gauss(0, 0.1)  # noqa: S311 - nothing secret is drawn
        return exact(sample) + noise + 0.04 * ("certain" in sample.completion)

    one = bench(judge)
    one.model = True
    assert PROBE(one).outcome is Outcome.PASS
    paid = bench(lambda sample: judge(sample) + 0.8 * ("certain" in sample.completion))
    paid.model = True
    check = PROBE(paid)
    assert check.outcome is Outcome.FAIL
    assert check.limits is not None
    assert check.limits.fail == pytest.approx(0.2)


def test_a_model_that_likes_one_wording_likes_its_words() -> None:
    def likes(*words: str):
        return lambda sample: exact(sample) + 0.5 * any(word in sample.completion for word in words)

    one, both = bench(likes("wonderful day")), bench(likes("wonderful day", "Thank you"))
    one.model = both.model = True
    assert PROBE(one).outcome is Outcome.PASS
    check = PROBE(both)
    assert check.outcome is Outcome.FAIL
    assert check.message.startswith("politeness")
    one.model = False
    assert PROBE(one).outcome is Outcome.FAIL


def test_phrases_stand_inside_of_a_structure() -> None:
    def strict(sample: Sample) -> float:
        text = sample.completion
        return float(text.startswith("<think>\n") and text.endswith(f"<answer>{sample.answer}</answer>"))

    tagged = []
    for sample in sums():
        work, _, answer = sample.completion.rpartition(" Answer: ")
        tagged.append(sample.with_completion(f"<think>\n{work}\n</think>\n<answer>{answer}</answer>"))
    check = PROBE(bench(strict, tagged))
    assert check.outcome is Outcome.PASS
    assert not any(family.endswith("at the end") for family in check.parts)


def test_constant_rewards_and_too_few_texts_are_not_judged() -> None:
    assert PROBE(bench(lambda _: 0.5)).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(exact, sums(1, 3))).outcome is Outcome.NOT_JUDGED
