"""The split of a reward's shift, with causes that were planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.shift.split import Written, split_shift

PROMPTS, SAMPLES = 96, 8


def side(
    seed: int,
    *,
    right: float = 0.6,
    cut: float = 0.1,
    longer: float = 1.0,
    reward=lambda right, _length, _noise: float(right),
) -> list[Written]:
    """Completions: prompts differ in difficulty; what was cut off gives no right answer and is long."""
    draw = np.random.default_rng(seed)
    found = []
    for prompt in range(PROMPTS):
        hard = 0.3 * np.sin(prompt)
        for _ in range(SAMPLES):
            ended = draw.random() >= cut
            is_right = bool(ended and draw.random() < right + hard)
            length = float(round(longer * draw.gamma(20, 5))) if ended else 200.0
            value = reward(is_right, length, float(draw.normal()))
            found.append(Written(prompt, value, length, "stop" if ended else "length", is_right))
    return found


def terms(split) -> dict[str, float]:
    return {term.name: term.estimate.value for term in split.terms}


def covers(split, name: str, value: float) -> bool:
    estimate = next(term.estimate for term in split.terms if term.name == name)
    return estimate.low <= value <= estimate.high


@pytest.mark.parametrize("seed", range(5))
def test_the_terms_add_up_to_the_paired_difference(seed: int):
    draw = np.random.default_rng(seed)
    sides = [
        [
            Written(int(draw.integers(20)), float(draw.normal()), float(draw.integers(5, 90)),
                    ("stop", "length")[int(draw.integers(2))], (True, False, None)[int(draw.integers(3))])
            for _ in range(150)
        ]
        for _ in range(2)
    ]  # fmt: skip
    split = split_shift(*sides)
    means = [
        {p: np.mean([w.reward for w in one if w.prompt == p]) for p in {w.prompt for w in one}}
        for one in sides
    ]
    expected = np.mean([means[1][p] - means[0][p] for p in means[0].keys() & means[1].keys()])
    assert split.total.value == pytest.approx(expected)
    assert sum(terms(split).values()) == pytest.approx(expected)
    assert split.total.low < split.total.value < split.total.high


def test_only_truncation_moved():
    split = split_shift(side(0), side(1, cut=0.5))
    found = terms(split)
    assert split.total.value < -0.2
    assert found["truncation"] == pytest.approx(split.total.value, abs=0.05)
    assert abs(found["correctness"]) < 0.05
    assert covers(split, "correctness", 0)
    assert abs(found["length"]) < 0.01
    term = split.terms[0]
    assert term.reference == pytest.approx(0.1, abs=0.03)
    assert term.candidate == pytest.approx(0.5, abs=0.05)


def test_only_correctness_moved():
    split = split_shift(side(0), side(1, right=0.3))
    found = terms(split)
    assert split.total.value < -0.2
    assert found["correctness"] == pytest.approx(split.total.value, abs=0.02)
    assert covers(split, "truncation", 0)
    assert found["rest"] == 0  # the reward is correctness, and nothing else


def test_only_length_moved():
    def pays(right, length, noise):
        return right + length / 100 + 0.2 * noise

    split = split_shift(side(0, cut=0.0, reward=pays), side(1, cut=0.0, longer=1.5, reward=pays))
    found = terms(split)
    assert found["length"] == pytest.approx(0.5, abs=0.05)
    assert covers(split, "correctness", 0)
    assert covers(split, "rest", 0)
    assert found["truncation"] == 0
    assert split.terms[0].note == "no completion was cut off"
    assert split.terms[2].unit == "tokens"
    assert split.terms[2].candidate == pytest.approx(1.5 * split.terms[2].reference, rel=0.05)


def test_nothing_that_was_counted_moved_so_it_is_style():
    def plain(right, _length, noise):
        return right + 0.2 * noise

    split = split_shift(side(0, reward=plain), side(1, reward=lambda *seen: plain(*seen) + 0.3))
    assert terms(split)["rest"] == pytest.approx(0.3, abs=0.05)
    assert split.style_verdict is Verdict.FAIL
    assert split.style.value > 0.3
    same = split_shift(side(0), side(1))
    assert same.style_verdict is Verdict.PASS
    assert same.style.value == pytest.approx(0, abs=1e-9)


def test_only_the_scorer_moved():
    candidate = [replace(one, reward=one.reward - 0.1, fixed=one.reward) for one in side(1)]
    split = split_shift(side(0), candidate)
    found = terms(split)
    assert found["scorer"] == pytest.approx(-0.1)
    assert abs(found["rest"]) < 1e-9
    assert sum(found.values()) == pytest.approx(split.total.value)
    one = split_shift(side(0), side(1))
    assert one.terms[3].note == "one scorer judged both sides"
    assert one.terms[3].estimate.value == 0


def test_all_of_them_moved():
    def pays(right, length, _noise):
        return right + 0.002 * length

    split = split_shift(side(0, reward=pays), side(1, cut=0.3, right=0.4, longer=1.3, reward=pays))
    found = terms(split)
    assert found["truncation"] < -0.03
    assert found["correctness"] < -0.1
    assert found["length"] > 0.02
    assert abs(found["rest"]) < 0.02


def test_one_side_was_always_cut_off_and_the_other_never():
    split = split_shift(side(0, cut=0.0), side(1, cut=1.0))
    assert terms(split)["truncation"] == pytest.approx(split.total.value, abs=0.02)


def test_what_is_not_known_is_said_and_lands_in_the_rest():
    def unknown(rows):
        return [replace(one, finish_reason="", right=None) for one in rows]

    split = split_shift(unknown(side(0)), unknown(side(1, right=0.3)))
    notes = {term.name: term.note for term in split.terms}
    assert notes["truncation"] == "how completions ended is not known"
    assert notes["correctness"] == "there are no reference answers to compare with"
    assert terms(split)["rest"] < -0.2
    few = [replace(one, right=one.right if n % 5 == 0 else None) for n, one in enumerate(side(0))]
    assert "could be compared" in split_shift(few, few).terms[1].note


def test_a_reward_that_never_varies_prefers_nothing_and_shows_nothing():
    constant = [replace(one, reward=0.0) for one in side(0)]
    split = split_shift(constant, constant)
    assert split.style_verdict is Verdict.INCONCLUSIVE
    assert set(terms(split).values()) == {0.0}


def test_prompts_without_both_sides_are_left_out():
    assert split_shift(side(0), []) is None
    reference = [one for one in side(0) if one.prompt < 4]
    split = split_shift(reference, side(1))
    assert split.prompts == 4
    assert split.style_verdict is Verdict.INCONCLUSIVE
    single = split_shift(reference[:8], side(1))
    assert single.prompts == 1
    assert sum(terms(single).values()) == pytest.approx(single.total.value)


def test_intervals_cover_nothing_where_there_is_nothing():
    missed = 0
    for seed in range(20):
        split = split_shift(side(2 * seed), side(2 * seed + 1), seed=seed)
        missed += not covers(split, "correctness", 0)
    assert missed <= 4
