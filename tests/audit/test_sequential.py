"""Does looking more than once keep the promised error?"""

from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.decide.sequential import levels_of, look_sizes, nominal_levels, spent
from vllm_migrate.statistics.distributions import normal_quantile

QUARTERS = (0.25, 0.5, 0.75, 1.0)


def test_the_spending_is_the_published_function():
    assert [spent(0.05, t) for t in QUARTERS] == pytest.approx([0.0000886, 0.00557, 0.02363, 0.05], rel=2e-3)
    assert spent(0.05, 0) == 0


def test_one_look_keeps_the_plain_level():
    assert nominal_levels(0.05, (1.0,)) == pytest.approx((0.05,), abs=1e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_all_looks_together_err_as_often_as_permitted(alpha):
    generator = np.random.default_rng(0)
    sums = np.cumsum(generator.normal(0, 0.5, (400_000, 4)), axis=1)
    crossed = np.zeros(len(sums), dtype=bool)
    for look, (fraction, level) in enumerate(zip(QUARTERS, nominal_levels(alpha, QUARTERS), strict=True)):
        crossed |= sums[:, look] / np.sqrt(fraction) > normal_quantile(1 - level)
    assert crossed.mean() == pytest.approx(alpha, rel=0.03)


def test_both_sides_have_levels_of_their_own():
    first, last = levels_of(0, QUARTERS), levels_of(3, QUARTERS)
    assert first.of_pass < last.of_pass < 0.05
    assert first.of_fail < last.of_fail < 0.025
    assert last.of_fail < last.of_pass


@pytest.mark.parametrize(
    ("available", "fewest", "sizes"),
    [(64, 8, (16, 32, 48, 64)), (20, 8, (10, 20)), (9, 8, (9,)), (5, 8, (5,)), (33, 8, (8, 16, 25, 33))],
)
def test_looks_are_equal_steps_of_enough_prompts(available, fewest, sizes):
    assert look_sizes(available, fewest) == sizes
