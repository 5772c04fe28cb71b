from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.reward.figures import auc_of, centred, clustered_mean, judged, share, unsigned
from vllm_migrate.reward.outcome import Limits, Outcome
from vllm_migrate.statistics.verdict import Estimate


def test_a_share_has_clopper_and_pearsons_interval() -> None:
    assert share(0, 100).value == 0
    assert share(0, 100).high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert share(10, 10).low == pytest.approx(0.025 ** (1 / 10))
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)


def test_an_interval_over_prompts_is_wider_than_one_over_samples() -> None:
    values = np.repeat(np.arange(20) % 2, 50).astype(np.float64)
    by_prompt = clustered_mean(values, np.repeat(np.arange(20), 50))
    by_sample = clustered_mean(values, np.arange(1000))
    assert by_prompt.value == by_sample.value == 0.5
    assert by_prompt.high - by_prompt.low > 3 * (by_sample.high - by_sample.low)


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert auc_of(np.array([1.0, 1.0]), np.array([0.0])) == 1
    assert auc_of(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 0.5
    assert auc_of(np.array([0.5]), np.array([0.5 + 1e-12, 0.0])) == 0.75
    assert np.isnan(auc_of(np.array([]), np.array([1.0])))


def test_columns_are_centred_within_groups_and_by_weight() -> None:
    columns, index = np.array([[1.0, 5.0], [3.0, 5.0], [10.0, 0.0]]), np.array([0, 0, 1])
    assert centred(columns, index).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    assert centred(columns, index, np.array([3.0, 1.0, 1.0]))[:, 0].tolist() == [-0.5, 1.5, 0.0]
    assert centred(columns[:, :0], index).shape == (3, 0)


def test_without_its_sign_a_figure_keeps_its_interval() -> None:
    assert unsigned(Estimate(-0.3, -0.5, 0.1)) == Estimate(0.3, -0.1, 0.5)
    assert unsigned(Estimate(0.3, -0.1, 0.5)) == Estimate(0.3, -0.1, 0.5)


@pytest.mark.parametrize(
    ("low", "high", "above", "outcome"),
    [
        (0.25, 0.35, True, Outcome.FAIL),
        (0.15, 0.45, True, Outcome.WARN),
        (0.25, 0.35, False, Outcome.PASS),
    ],
)
def test_a_figure_fails_by_its_whole_interval(low: float, high: float, above: bool, outcome: Outcome) -> None:
    limits = Limits(0.1, 0.2, above=above, source="test")
    assert judged(limits, Estimate(0.3, low, high)) is outcome
