"""Do the intervals cover what they should, and are the small formulas right?"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from vllm_migrate.audit.decide import statistics as module
from vllm_migrate.audit.decide.statistics import (
    bootstrap_metrics,
    bootstrap_ratios,
    clopper_pearson_upper,
    holm,
    spread_correction,
)
from vllm_migrate.audit.figures.metrics import ClipRange, reduce_tokens
from vllm_migrate.statistics.distributions import student_t_quantile


@pytest.mark.parametrize("prompts", [8, 16, 64])
def test_intervals_cover_the_truth_about_95_times_in_100(prompts):
    """Tokens of a prompt share an effect here, so an interval over tokens would be far too narrow."""
    generator = np.random.default_rng(prompts)
    runs, covered = 300, 0
    for run in range(runs):
        sizes = generator.integers(20, 60, prompts).astype(float)
        sums = sizes * (0.1 + generator.normal(0, 0.03, prompts)) + generator.normal(
            0, 0.1, prompts
        ) * np.sqrt(sizes)
        draws = bootstrap_ratios(sums[:, None], sizes[:, None], resamples=500, seed=run)
        low, high = np.quantile(draws, (0.025, 0.975))
        covered += low <= 0.1 <= high
    assert 0.91 <= covered / runs <= 0.985


def test_many_prompts_are_grouped_without_changing_the_spread(monkeypatch):
    generator = np.random.default_rng(0)
    sums, sizes = generator.normal(1, 1, (4000, 1)), np.ones((4000, 1))
    plain = bootstrap_ratios(sums, sizes, seed=1).std()
    monkeypatch.setattr(module, "_MOST_CLUSTERS", 500)
    grouped = bootstrap_ratios(sums, sizes, seed=1).std()
    assert grouped == pytest.approx(plain, rel=0.1)
    assert plain == pytest.approx(1 / math.sqrt(4000), rel=0.05)


def test_resampling_is_reproducible_and_follows_its_seed():
    sums, sizes = np.arange(20.0)[:, None], np.ones((20, 1))
    one, two = bootstrap_ratios(sums, sizes, seed=5), bootstrap_ratios(sums, sizes, seed=5)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, bootstrap_ratios(sums, sizes, seed=6))


def test_student_t_is_the_tabulated_value():
    table = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 7: 2.365, 15: 2.131, 30: 2.042, 120: 1.980}
    for degrees, value in table.items():
        assert student_t_quantile(0.975, degrees) == pytest.approx(value, rel=5e-4)


def test_few_clusters_spread_more():
    factors = [spread_correction(n) for n in (4, 8, 16, 64, 4096)]
    assert all(few > many > 1 for few, many in pairwise(factors))


@pytest.mark.parametrize("trials", [10, 30, 100, 300, 1000, 5000])
def test_no_event_gives_the_exact_bound(trials):
    assert clopper_pearson_upper(0, trials, 0.05) == pytest.approx(1 - 0.05 ** (1 / trials), rel=1e-6)


def test_clopper_pearson_is_the_textbook_value():
    assert clopper_pearson_upper(1, 10, 0.025) == pytest.approx(0.4450, abs=1e-4)
    assert clopper_pearson_upper(5, 100, 0.05) == pytest.approx(0.1023, abs=1e-4)
    assert clopper_pearson_upper(7, 7, 0.05) == 1.0


def test_a_share_without_events_still_has_an_upper_bound():
    tokens = np.zeros(1000)
    prompts = np.repeat(np.arange(10), 100)
    found = bootstrap_metrics(reduce_tokens(tokens, tokens, prompts, clip=ClipRange(), policy_is_other=True))
    assert found.value("clip_rate") == 0
    assert found.upper("clip_rate") == pytest.approx(1 - 0.05 ** (1 / 1000), rel=1e-6)
    assert found.upper("mean_abs") == 0


def test_holm_steps_down_and_stops():
    assert holm({"a": 0.001, "b": 0.012, "c": 0.5}, 0.025) == {"a", "b"}
    assert holm({"a": 0.001, "b": 0.02, "c": 0.02}, 0.025) == {"a"}
    assert holm({"a": 0.02, "b": 0.02}, 0.025) == set()
    assert holm({}, 0.025) == set()
