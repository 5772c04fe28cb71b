"""Reward histograms: every finite reward is counted once on its side."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.audit.result import RewardBin
from vllm_migrate.audit.shift.histogram import BINS, MOST_VALUES, reward_bins


def test_few_values_get_a_bin_each():
    assert reward_bins([0, 1, 1], [1, 0.5]) == (
        RewardBin(0.0, 0.0, 1, 0),
        RewardBin(0.5, 0.5, 0, 1),
        RewardBin(1.0, 1.0, 2, 1),
    )


def test_many_values_share_equal_bins():
    bins = reward_bins([k / 100 for k in range(101)], [0.995])
    assert len(bins) == BINS
    assert (bins[0].low, bins[-1].high) == (0.0, 1.0)
    assert bins[-1].candidate == 1


def test_nothing_gives_nothing():
    assert reward_bins([], [math.nan]) == ()


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(math.inf) | st.just(math.nan), max_size=60),
    st.lists(st.floats(-1e6, 1e6), max_size=60),
)
def test_no_finite_reward_is_lost(ours, theirs):
    bins = reward_bins(ours, theirs)
    assert sum(each.reference for each in bins) == sum(map(math.isfinite, ours))
    assert sum(each.candidate for each in bins) == len(theirs)


def test_a_range_too_narrow_to_divide_is_one_bin():
    values = [1.0]
    for _ in range(MOST_VALUES + 3):
        values.append(math.nextafter(values[-1], 2.0))
    assert sum(each.reference for each in reward_bins(values, [])) == len(values)
