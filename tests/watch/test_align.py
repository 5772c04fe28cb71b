from __future__ import annotations

import math

import numpy as np
import pytest

from vllm_migrate.watch.align import MOST, align, unit_mismatch
from vllm_migrate.watch.run import Series


def series(steps: object, values: object) -> Series:
    return Series(np.array(list(steps), dtype=float), np.array(list(values), dtype=float))


def test_equal_steps_stay_as_they_are():
    made = align([series(range(1, 5), [1, 2, 3, 4]), series(range(1, 5), [5, 6, 7, 8])])
    assert made.steps.tolist() == [1, 2, 3, 4]
    assert made.values.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert made.every == 0


def test_the_run_that_logs_more_often_is_averaged():
    made = align([series(range(1, 11), range(1, 11)), series([5, 10], [0, 1])])
    assert made.steps.tolist() == [5, 10]
    assert made.values.tolist() == [[3, 8], [0, 1]]
    assert made.every == 5


def test_intervals_that_are_shifted_are_matched():
    made = align([series(range(5, 101, 10), range(10)), series(range(10, 101, 10), range(10))])
    assert made.values[0].tolist() == made.values[1].tolist()


def test_steps_that_one_run_lacks_are_left_out():
    made = align([series([1, 2, 4, 5], [1, 2, 4, 5]), series(range(1, 6), range(1, 6))])
    assert made.steps.tolist() == [1, 2, 4, 5]
    assert made.values[1].tolist() == [1, 2, 3.5, 5]


def test_only_steps_that_all_runs_reach_are_compared():
    made = align([series(range(1, 11), range(10)), series(range(4, 20), range(16))])
    assert made.steps.tolist() == list(range(4, 11))


def test_values_that_are_no_numbers_are_dropped_and_counted():
    made = align([series([1, 2, 3], [1, math.nan, 3]), series([1, 2, 3], [1, 2, 3])])
    assert made.steps.tolist() == [1, 3]
    assert made.dropped == 1
    assert made.lost == (None, None)


def test_a_metric_that_is_lost_for_good_is_known():
    made = align([series([1, 2, 3], [1, 2, 3]), series([1, 2, 3], [1, math.nan, math.inf])])
    assert made.lost == (None, 2)
    nothing = align([series([1, 2], [1, 2]), series([1, 2], [math.nan, math.nan])])
    assert nothing.steps.size == 0
    assert nothing.lost == (None, 1)


def test_long_runs_are_averaged_over_equal_stretches():
    made = align([series(range(1, 5001), range(1, 5001)) for _ in range(2)])
    assert len(made.steps) <= MOST
    assert made.every == 20
    assert made.values[0][0] == pytest.approx(10.5)


def test_runs_without_a_step_in_common_have_nothing():
    assert align([series([1, 2], [0, 0]), series([50, 51], [0, 0])]).steps.size == 0
    assert align([series([], []), series([50, 51], [0, 0])]).steps.size == 0


def test_first_and_last_steps_bound_what_is_compared():
    made = align([series(range(1, 11), range(10)) for _ in range(2)], first=3, last=7)
    assert made.steps.tolist() == [3, 4, 5, 6, 7]


def test_steps_that_count_other_things_are_noticed():
    steps = [series(range(1, 101), range(100))]
    samples = [series(range(64, 6401, 64), range(100))]
    assert unit_mismatch(steps, samples) == pytest.approx(1 / 64)
    assert unit_mismatch(steps, steps) is None
    assert unit_mismatch(steps, [series(range(1, 31), range(30))]) is None  # a run in progress
    assert unit_mismatch(steps, [series(range(10, 1001, 10), range(100))]) == pytest.approx(0.1)
    assert unit_mismatch(steps, [series(range(10, 101, 10), range(10))]) is None  # logs less often
