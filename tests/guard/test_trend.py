from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.guard.trend import LEAST, WINDOW, gap


def series(rise: float, *, seed: int = 0, spread: float = 0.5, noise: float = 0.05, steps: int = WINDOW):
    rng = np.random.default_rng(seed)
    return [(rise * i / (steps - 1) + noise * rng.standard_normal(), spread) for i in range(steps)]


def test_a_reward_that_rises_alone_is_measured_in_standard_deviations():
    assert gap(series(0.4), series(0.0, seed=1)) == pytest.approx(0.8, abs=0.2)


def test_two_that_rise_together_have_no_gap_whatever_their_scales():
    assert gap(series(0.4), series(0.4, seed=1)) == 0
    assert gap(series(0.4), series(40.0, seed=1, spread=50.0, noise=5.0)) == 0


def test_two_that_stay_have_none_either():
    assert gap(series(0.0), series(0.0, seed=1)) == 0
    assert gap(series(-0.4), series(0.0, seed=1)) == 0


def test_noise_is_seldom_taken_for_a_rise():
    gaps = [gap(series(0.0, seed=2 * i), series(0.0, seed=2 * i + 1)) for i in range(500)]
    assert sum(value > 0.25 for value in gaps) == 0
    assert sum(value > 0 for value in gaps) <= 5


def test_too_few_steps_and_rewards_that_never_vary_say_nothing():
    assert gap(series(0.4, steps=LEAST - 1), series(0.0, steps=LEAST - 1)) is None
    assert gap(series(0.4, spread=0.0), series(0.0)) is None
    assert gap(series(0.4), series(0.0, steps=WINDOW - 1)) is None


def test_exact_lines_are_no_division_by_zero():
    assert gap(series(0.4, noise=0.0), series(0.0, noise=0.0)) == pytest.approx(0.8)
    assert gap(series(0.4, noise=0.0), series(0.4, noise=0.0)) == 0
    assert gap(series(0.0, noise=0.0), series(0.0, noise=0.0)) == 0
