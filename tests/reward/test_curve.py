from __future__ import annotations

import numpy as np

from vllm_migrate.reward.explain.curve import MOST_POINTS, length_curve, spline_basis
from vllm_migrate.reward.sample import Sample


def curve_of(lengths, rewards):
    samples = [Sample("p", "x" * int(length)) for length in lengths]
    return length_curve(samples, np.array(rewards, dtype=float))


def test_a_straight_line_is_found_again():
    lengths = np.arange(10, 200, 3)
    found = curve_of(lengths, 0.5 + 0.01 * lengths)
    assert np.allclose(found.fitted, 0.5 + 0.01 * np.array(found.fitted_lengths))
    assert (found.fitted_lengths[0], found.fitted_lengths[-1]) == (10, lengths[-1])


def test_a_bend_is_followed_where_a_line_could_not():
    lengths = np.arange(1, 401)
    rewards = np.minimum(lengths, 200) / 200
    found = curve_of(lengths, rewards)
    misses = np.abs(np.array(found.fitted) - np.minimum(found.fitted_lengths, 200) / 200)
    assert misses.max() < 0.08
    line = np.polyval(np.polyfit(lengths, rewards, 1), lengths)
    assert np.abs(line - rewards).max() > 0.2


def test_beyond_the_outer_knots_the_spline_is_straight():
    knots = np.array([1.0, 2.0, 3.0, 4.0])
    for beyond in (np.array([-3.0, -2.0, -1.0, 0.0]), np.array([5.0, 6.0, 7.0, 8.0])):
        assert np.allclose(np.diff(spline_basis(beyond, knots), 2, axis=0), 0)
    assert not np.allclose(np.diff(spline_basis(np.arange(1.0, 4.1, 0.5), knots), 2, axis=0), 0)


def test_nothing_is_drawn_where_nothing_varies():
    assert curve_of([5] * 20, range(20)) is None
    assert curve_of(range(20), [1.0] * 20) is None
    assert curve_of(range(5), range(5)) is None
    assert curve_of(range(20), [float("nan")] * 20) is None


def test_samples_without_a_reward_are_left_out_and_many_are_thinned():
    rewards = np.arange(5000) / 5000
    rewards[::2] = np.nan
    found = curve_of(np.arange(5000) % 700, rewards)
    assert len(found.lengths) == len(found.rewards) == MOST_POINTS
    assert all(np.isfinite(found.rewards))


def test_two_lengths_are_enough_for_a_line():
    found = curve_of([10, 20] * 10, [0.0, 1.0] * 10)
    assert np.allclose((found.fitted[0], found.fitted[-1]), (0, 1))
