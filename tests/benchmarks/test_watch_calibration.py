"""The calibration of `watch`: its runs are what they are said to be, its results within limits."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def calibration(imported):
    return imported("", "watch_calibration").watch_calibration


def test_noise_has_the_spread_and_memory_that_are_asked(calibration):
    generator = np.random.default_rng(0)
    for noise in calibration.NOISES:
        if noise.growth == 1:
            made = calibration.runs(generator, noise, 40, 500)
            assert made.shape == (40, 4, 500)
            assert made.std() == pytest.approx(1, rel=0.15)
            lag = (made[..., 1:] * made[..., :-1]).mean() / np.square(made).mean()
            assert lag == pytest.approx((1 - noise.white) * noise.phi, abs=0.08)
            assert np.corrcoef(made[:, 0].ravel(), made[:, 1].ravel())[0, 1] > 0.2 * (1 - noise.white)


def test_looks_grow_by_a_quarter_and_end_with_the_run(calibration):
    assert list(calibration.looks(60)) == [30, 38, 48, 60]
    assert list(calibration.looks(20)) == [20]


def test_a_planted_departure_is_found(calibration):
    generator = np.random.default_rng(0)
    shift = 5.0 * (np.arange(60) >= 30)
    references, candidates = calibration.sides(generator, calibration.NOISES[1], (5, 5), 60, shift)
    report = calibration.compare(references, candidates, calibration.SETTINGS)
    assert report.verdict.value == "FAIL"
    assert report.metrics[0].left.step == pytest.approx(31, abs=2)


def test_committed_results_keep_the_promise(calibration):
    kept = json.loads(calibration.RESULT.read_text(encoding="utf-8"))
    alarms = sum(row["alarms"] for row in kept["false_alarms"])
    of = sum(row["comparisons"] for row in kept["false_alarms"])
    assert kept["summary"] == {
        "alarms": alarms,
        "comparisons": of,
        "low": kept["summary"]["low"],
        "high": kept["summary"]["high"],
        "over": 0,
    }
    assert kept["summary"]["high"] <= calibration.MOST
    assert all(row["low"] <= calibration.MOST for row in kept["false_alarms"])
    assert {row["how"] for row in kept["false_alarms"]} == {"finished", "followed"}
    assert len(kept["departures"]) == 24
