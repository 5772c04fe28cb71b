from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from made import noise

from vllm_migrate.watch.judge import departure, labels, relabelled, simulated
from vllm_migrate.watch.noise import Layout, NoiseModel, contrast, nulls, smoothed, standardise
from vllm_migrate.watch.scan import windows

PAIR = Layout(100, 1, 1)


def runs(seed: int, layout: Layout, phi: float = 0.4) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack(
        [noise(generator, layout.steps, phi) for _ in range(layout.references + layout.candidates)]
    )


@pytest.mark.parametrize("model", [NoiseModel(0.0, 0.0), NoiseModel(0.7, 0.0), NoiseModel(0.9, 0.5)])
def test_variances_of_sums_are_those_of_the_series(model: NoiseModel):
    lengths = np.array([1.0, 4.0, 20.0])
    covariance = model.correlations(20)[np.abs(np.subtract.outer(np.arange(20), np.arange(20)))]
    exact = [np.sqrt(covariance[: int(n), : int(n)].sum()) for n in lengths]
    assert model.sum_deviations(lengths) == pytest.approx(exact)
    assert model.long_run == pytest.approx(
        model.sum_deviations(np.array([20_000.0]))[0] ** 2 / 20_000, rel=0.01
    )


def test_windows_cover_the_run():
    made = windows(100)
    assert made.lengths[0] == 4
    assert made.lengths[-1] == 100
    z = np.zeros(100)
    z[40:60] = 1.0
    assert made.largest(z).max() == 20


def test_what_is_simulated_has_the_scale_that_is_asked():
    """The units of the simulation and of the formulas agree: sums over windows have the variance foreseen."""
    for null in nulls(PAIR):
        assert 0.3 < np.median(null.statistics) + windows(100).penalties().min() < 4.5
        assert null.band > 0
    assert nulls(PAIR) is nulls(Layout(100, 1, 1))


def test_noise_is_no_departure_and_a_shift_is_one():
    """In a pair noise is sometimes slow by accident, and then even a large shift may be noise."""
    told = 0
    for seed in range(8):
        found = runs(seed, PAIR)
        assert simulated(found, PAIR).p > 0.05
        found[1, 60:] += 8
        judged = simulated(found, PAIR)
        left = departure(judged, found, PAIR, 0.05)
        assert (left is not None) is (judged.p <= 0.05)
        if left is not None:
            told += 1
            assert left.early <= left.onset <= left.late <= left.seen
            assert abs(left.onset - 60) <= 3
            assert left.size == pytest.approx(8, abs=1)
    assert told >= 6


def test_the_judgement_knows_neither_unit_nor_level():
    found = runs(3, PAIR)
    found[1, 50:] += 2
    first, second = simulated(found, PAIR), simulated(1e-6 * found + 7, PAIR)
    assert first.p == pytest.approx(second.p, rel=1e-6)
    assert second.scale == pytest.approx(1e-6 * first.scale)


def test_slow_noise_is_not_taken_for_a_departure():
    """What wanders like this is off for tens of steps at a time."""
    alarms = sum(simulated(runs(seed, PAIR, phi=0.9), PAIR).p <= 0.05 for seed in range(40))
    assert alarms <= 5


def test_the_smallest_departure_that_is_told_is_about_right():
    layout = Layout(100, 3, 3)
    found = runs(11, layout)
    smallest = simulated(found, layout).smallest(0.05, layout)
    for factor, told in ((2.0, True), (0.3, False)):
        shifted = found.copy()
        shifted[3:, 40:65] += factor * smallest
        assert (simulated(shifted, layout).p <= 0.05) is told


def test_labels_are_counted():
    assert labels(Layout(0, 1, 1)) == 1
    assert labels(Layout(0, 3, 3)) == 10
    assert labels(Layout(0, 5, 5)) == 126
    assert labels(Layout(0, 5, 3)) == 56


def test_relabelling_gives_the_share_of_labels_that_are_as_extreme():
    """Against the definition, written out."""
    layout = Layout(12, 3, 3)
    found = runs(2, layout)
    (judged,) = relabelled([found], layout)

    def statistic(chosen: tuple[int, ...]) -> float:
        order = [n for n in range(6) if n not in chosen] + list(chosen)
        (one,) = relabelled([found[order]], layout)
        return max(float(looked.max()) for looked in one.looked)

    values = [statistic(chosen) for chosen in combinations(range(6), 3)]
    true = statistic((3, 4, 5))
    assert judged.p == pytest.approx(np.mean([value >= true - 1e-9 for value in values]))
    assert len(judged.statistics) == 20


def test_relabelling_is_corrected_for_the_number_of_metrics():
    layout = Layout(60, 5, 5)
    quiet, moved = runs(1, layout), runs(2, layout)
    moved[5:, 30:] += 3
    alone = relabelled([moved], layout)[0]
    both = relabelled([quiet, moved], layout)
    assert alone.p == pytest.approx(2 / 252)
    assert both[1].p == pytest.approx(2 / 252)
    assert both[0].p > 0.05
    left = departure(both[1], moved, layout, 0.05)
    assert left is not None
    assert abs(left.onset - 30) <= 3


def test_several_seeds_show_noise_that_one_pair_can_not():
    """Seeds that differ from beginning to end, the candidate as much as the references from each other."""
    layout = Layout(80, 4, 1)
    generator = np.random.default_rng(0)
    alarms = 0
    for seed in range(20):
        found = runs(seed, layout) + 3 * generator.standard_normal(5)[:, None]
        alarms += simulated(found, layout).p <= 0.05
    assert alarms <= 2


def test_the_difference_has_the_noise_of_one_run():
    generator = np.random.default_rng(0)
    found = generator.standard_normal((2000, 5, 30))
    difference, residuals = contrast(found, Layout(30, 3, 2))
    assert difference.std() == pytest.approx(1, abs=0.02)
    assert residuals.shape == (2000, 5, 30)
    assert residuals.std() == pytest.approx(1, abs=0.02)


def test_noise_that_grows_is_divided_by_what_it_is_there():
    generator = np.random.default_rng(0)
    steps = 400
    difference = generator.standard_normal(steps) * np.geomspace(1, 10, steps)
    made = standardise(difference, difference[None], Layout(steps, 1, 1))
    assert made.scale[-20:].mean() / made.scale[:20].mean() > 4
    assert made.z[:100].std() == pytest.approx(made.z[-100:].std(), rel=0.4)


def test_smoothing_keeps_a_line():
    line = np.linspace(0, 1, 50)
    assert smoothed(line)[5:-5] == pytest.approx(line[5:-5])
