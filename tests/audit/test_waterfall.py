from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.cause.waterfall import NONE, Waterfall, subsets

PROMPTS = np.repeat(np.arange(20), 50)
A, B = frozenset({"a"}), frozenset({"b"})
AB = A | B


def distances(**means):
    """|d| with these means under each set of changes, on the same tokens."""
    generator = np.random.default_rng(0)
    shape = generator.exponential(size=len(PROMPTS))
    shape /= shape.mean()
    names = {"none": NONE, "a": A, "b": B, "ab": AB}
    return {names[name]: shape * mean for name, mean in means.items()}


def test_shares_of_the_excess_over_the_floor():
    waterfall = Waterfall(distances(none=0.5, a=0.1, b=0.4, ab=0.1), PROMPTS, floor=0.1)
    assert waterfall.excess().value == pytest.approx(0.4)
    assert waterfall.removed(("a",)).value == pytest.approx(1.0)
    assert waterfall.removed(("b",)).value == pytest.approx(0.25)
    assert waterfall.removed(("b",), on=A).value == pytest.approx(0.0)
    assert waterfall.left(AB).value == pytest.approx(0.0)
    assert waterfall.interaction(("a", "b")).value == pytest.approx(-0.25)


def test_intervals_hold_the_estimate_and_are_paired():
    """Prompts differ tenfold, but every change scales all of them alike: the shares have no spread."""
    scale = np.repeat(np.linspace(0.1, 1.0, 20), 50)
    waterfall = Waterfall({NONE: scale, A: scale * 0.2}, PROMPTS)
    removed = waterfall.removed(("a",))
    assert removed.low == pytest.approx(0.8)
    assert removed.high == pytest.approx(0.8)
    excess = waterfall.excess()
    assert excess.low < excess.value < excess.high


def test_a_change_that_makes_it_worse_removes_less_than_nothing():
    assert Waterfall(distances(none=0.2, a=0.3), PROMPTS).removed(("a",)).value == pytest.approx(-0.5)


def test_shapley_shares_add_up_and_split_what_only_both_remove():
    waterfall = Waterfall(distances(none=1.0, a=1.0, b=1.0, ab=0.0), PROMPTS)
    shares = waterfall.shapley(("a", "b"))
    assert shares["a"].value == pytest.approx(0.5)
    assert sum(share.value for share in shares.values()) == pytest.approx(1.0)


def test_tokens_outside_support_count_on_neither_side():
    values = distances(none=0.5, a=0.25)
    values[A][:100] = np.inf
    waterfall = Waterfall(values, PROMPTS)
    assert np.isfinite(waterfall.distance(A))
    assert 0.4 < waterfall.removed(("a",)).value < 0.6


def test_without_an_excess_nothing_is_divided_by_zero():
    waterfall = Waterfall(distances(none=0.0, a=0.0), PROMPTS)
    assert waterfall.removed(("a",)).value == 0.0
    assert waterfall.left(A).value == 0.0


def test_subsets_smallest_first():
    assert subsets("ab") == [NONE, A, B, AB]
