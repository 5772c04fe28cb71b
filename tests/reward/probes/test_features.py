from __future__ import annotations

import random
from dataclasses import replace

import pytest
from benches import Asked, bench, sums

from vllm_migrate.reward.answers import second
from vllm_migrate.reward.bench import Bench
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.features import PROBE

STEPS = (
    "I look at the tens.", "Then I look at the ones!", "Is that right?", "Perhaps a carry moves to the left.",
    "All of this is written down.", "- The columns are in line.", "So far it is easy.", "**Sum** of both.",
    "Clearly that holds.", "Wait, let me check.", "## Step", "Die Summe ist größer.", "I read it again.",
)  # fmt: skip


@pytest.fixture(autouse=True)
def without_the_extra(monkeypatch) -> None:
    """math-verify takes seconds, and only confirms what our own verifier says of sums."""
    monkeypatch.setattr(second, "has_math_verify", lambda: False)


def written(prompts: int = 60, samples: int = 6, *, seed: int = 0, cut: float = 0.0, tags: bool = False):
    """Sums with varied prose before the answer; some wrong, some cut off before it, some without tags."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret is drawn
    found = []
    for sample in sums(prompts, samples):
        answer = sample.completion.rpartition("Answer:")[2].strip()
        work = "\n".join(draw.choice(STEPS) for _ in range(draw.randint(2, 9)))
        text = f"{work}\nAnswer: {answer}"
        if tags and draw.random() < 0.6:
            text = f"<think>{work}</think>\n<answer>{answer}</answer>"
        if draw.random() < cut:
            found.append(replace(sample, completion=f"{work} {work}", finish_reason="length"))
        else:
            found.append(replace(sample, completion=text))
    return found


def verifier(sample) -> float:
    text = sample.completion
    given = (
        text.rpartition("<answer>")[2].partition("<")[0] if "<answer>" in text else text.rpartition(":")[2]
    )
    return float(given.strip() == sample.columns["answer"])


def noise(sample) -> float:
    return random.Random(sample.completion).gauss(0, 1)  # noqa: S311 - nothing secret is drawn


def model(function, samples) -> Bench:
    scorer = Asked(function)
    return Bench(samples, scorer.score(samples), scorer, limits=shipped_limits(), model=True)


@pytest.mark.parametrize(
    ("pays", "name"),
    [
        (lambda s: 0.5 * s.completion.count("!"), "exclamation marks"),
        (lambda s: 0.5 * ("?" in s.completion), "question marks"),
        (lambda s: 0.4 * s.completion.count("Perhaps"), "hedging words"),
        (lambda s: 0.8 * (not s.completion.isascii()), "other scripts"),
        (lambda s: len(s.completion) / 100, "characters"),
        (lambda s: 0.5 * s.completion.count("\n- "), "bullets"),
        (lambda s: float(s.completion.startswith("So")), "begins with 'so'"),
    ],
)
def test_what_pays_beyond_being_right_is_named(pays, name: str) -> None:
    check = PROBE(bench(lambda s: verifier(s) + pays(s), written()))
    assert check.outcome is Outcome.FAIL, check.message
    assert f"{name} pay" in check.message
    assert next(iter(check.parts)) == name
    assert check.figure.low > 0.1
    assert len(check.worst) == 3
    assert check.worst[0].after > check.worst[0].before
    assert name in check.advice


def test_what_costs_is_named_too() -> None:
    check = PROBE(bench(lambda s: verifier(s) - 0.5 * s.completion.count("!"), written()))
    assert check.outcome is Outcome.FAIL
    assert "exclamation marks cost" in check.message
    assert check.parts["exclamation marks"] < 0


def test_a_model_that_likes_bold_type_fails() -> None:
    def likes_bold(sample) -> float:
        return verifier(sample) + 0.3 * noise(sample) + 0.6 * sample.completion.count("**")

    assert "bold pay" in PROBE(model(likes_bold, written())).message


@pytest.mark.parametrize("seed", range(4))
def test_a_noisy_model_passes(seed: int) -> None:
    samples = written(40, 6, seed=seed, cut=0.2)
    check = PROBE(model(lambda s: verifier(s) + 0.5 * noise(s), samples))
    assert check.outcome is Outcome.PASS, check.message


def test_being_cut_off_is_a_consequence_and_does_not_alarm() -> None:
    samples = written(cut=0.3)
    check = PROBE(bench(verifier, samples))
    assert check.outcome is Outcome.PASS, check.message
    tests = PROBE(bench(verifier, [replace(s, answer=None) for s in samples]))  # nothing is known to be right
    assert tests.outcome is not Outcome.FAIL


def both(sample) -> float:
    return verifier(sample) + float("<think>" in sample.completion and "</answer>" in sample.completion)


def only_in_tags(sample) -> float:
    return verifier(sample) * float("</answer>" in sample.completion)


def partial(sample) -> float:
    given, wanted = sample.completion[::-1], sample.columns["answer"][::-1]
    matching = sum(a == b for a, b in zip(given, wanted, strict=False))
    return 1.0 if verifier(sample) else 0.1 * matching


@pytest.mark.parametrize("reward", [both, only_in_tags, partial, verifier, lambda s: both(s) - 1])
def test_structure_that_a_function_asks_for_is_no_alarm(reward) -> None:
    check = PROBE(bench(reward, written(tags=True, cut=0.1)))
    assert check.outcome in {Outcome.PASS, Outcome.NOT_APPLICABLE}, check.message


def test_a_format_reward_is_for_its_format() -> None:
    check = PROBE(bench(lambda s: float("<think>" in s.completion), written(tags=True)))
    assert check.outcome is Outcome.PASS, check.message
    pays = PROBE(bench(lambda s: float(s.completion.count("!")), written()))
    assert pays.outcome is Outcome.WARN
    assert "may be what this reward is for" in pays.message


def test_what_the_user_switched_off_is_meant_to_pay() -> None:
    made = bench(lambda s: verifier(s) - len(s.completion) / 100, written())
    assert PROBE(made).outcome is Outcome.FAIL
    meant = Bench(
        made.samples, made.scores, made.scorer, limits=made.limits, ignored=frozenset({"length", "format"})
    )
    assert PROBE(meant).outcome is Outcome.PASS


def test_a_penalty_is_not_asked() -> None:
    samples = [replace(s, token_ids=(1,) * len(s.completion)) for s in written()]
    check = PROBE(bench(lambda s: -max(0, len(s.token_ids) - 150) / 50, samples))
    assert check.outcome is Outcome.NOT_APPLICABLE


def test_few_single_or_repeated_completions_are_not_judged() -> None:
    assert PROBE(bench(verifier, written(10, 4))).outcome is Outcome.NOT_JUDGED
    assert PROBE(bench(verifier, written(200, 1))).outcome is Outcome.NOT_JUDGED
    made = [replace(s, sampled=False) for s in written()]
    assert PROBE(bench(verifier, made)).outcome is Outcome.NOT_APPLICABLE
