from __future__ import annotations

import math

import numpy as np
import pytest
from made import run

from vllm_migrate.errors import UsageError
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.compare import Settings, compare
from vllm_migrate.watch.metrics import tolerances
from vllm_migrate.watch.result import Method, Outcome
from vllm_migrate.watch.run import Run, Series

PLAIN = Settings(own={})


def with_values(of: Run, name: str, values: np.ndarray) -> Run:
    series = {**of.series, name: Series(of.series[name].steps, values)}
    return Run(of.name, of.source, of.kind, series, of.finished)


def test_two_runs_of_one_process_stay_in_band():
    report = compare([run(1)], [run(2)], PLAIN)
    assert report.verdict is Verdict.PASS
    assert report.reason == "in-band"
    assert report.method is Method.PAIR
    assert {one.name for one in report.metrics} == {"clip_rate", "kl_ref", "entropy", "reward"}
    for one in report.metrics:
        assert one.outcome is Outcome.IN_BAND
        assert one.smallest > 0
        assert one.curve is not None
        assert len(one.curve.steps) == len(one.curve.low) == 100


def test_the_step_and_the_first_metric_are_named():
    report = compare([run(1)], [run(2, leaves=60)], PLAIN)
    assert report.verdict is Verdict.FAIL
    first, second, *others = report.metrics
    assert (first.name, second.name) == ("clip_rate", "reward")
    assert abs(first.left.step - 60) <= 2
    assert first.left.worse
    assert second.left.size < 0
    assert second.left.worse
    assert second.left.step > first.left.step
    assert all(one.outcome is Outcome.IN_BAND for one in others)


def test_several_seeds_are_judged_by_their_labels():
    references = [run(seed) for seed in range(5)]
    quiet = compare(references, [run(seed) for seed in range(10, 15)], PLAIN)
    moved = compare(references, [run(seed, leaves=60) for seed in range(10, 15)], PLAIN)
    assert quiet.method is moved.method is Method.LABELS
    assert quiet.verdict is Verdict.PASS
    assert moved.verdict is Verdict.FAIL
    assert moved.metrics[0].name == "clip_rate"
    assert abs(moved.metrics[0].left.step - 60) <= 2


def test_a_few_seeds_are_judged_by_simulation():
    report = compare([run(seed) for seed in range(3)], [run(9, leaves=60)], PLAIN)
    assert report.method is Method.SEEDS
    assert report.metrics[0].name == "clip_rate"
    assert report.verdict is Verdict.FAIL


def test_too_few_steps_are_not_judged():
    report = compare([run(1, steps=20)], [run(2, steps=20)], PLAIN)
    assert report.verdict is None
    assert report.reason == "too-few-steps"
    assert "20 common steps, 30 are needed" in report.message


def test_runs_that_are_the_same_stay():
    report = compare([run(1)], [run(1)], PLAIN)
    assert report.verdict is Verdict.PASS
    assert all(one.message == "the same at every step" for one in report.metrics)


def test_runs_of_one_seed_are_compared_from_where_they_part():
    first, second = run(1, steps=200), run(2, steps=200)
    values = np.concatenate([first.series["reward"].values[:60], second.series["reward"].values[60:]])
    report = compare([first], [with_values(second, "reward", values)], Settings(own={}, only=("reward",)))
    assert report.metrics[0].message.startswith("the same until step 60")
    assert report.metrics[0].curve.steps[0] == 61


def test_a_metric_that_turns_into_nan_has_left():
    values = run(2).series["reward"].values.copy()
    values[70:] = math.nan
    report = compare([run(1)], [with_values(run(2), "reward", values)], PLAIN)
    assert report.verdict is Verdict.FAIL
    assert report.metrics[0].message == "not a finite number from step 71 on"
    assert report.metrics[0].left.step == 71


def test_levels_that_never_move_and_differ_are_told():
    values = np.full(100, 0.25)
    report = compare(
        [with_values(run(1), "reward", values)], [with_values(run(2), "reward", values / 2)], PLAIN
    )
    (reward,) = (one for one in report.metrics if one.name == "reward")
    assert reward.outcome is Outcome.LEFT
    assert reward.left.size == -0.125


def test_steps_in_other_units_are_refused_until_the_factor_is_said():
    other = run(2)
    series = {name: Series(64 * one.steps, one.values) for name, one in other.series.items()}
    scaled = Run(other.name, other.source, other.kind, series)
    report = compare([run(1)], [scaled], PLAIN)
    assert report.reason == "step-units"
    assert "--candidate-steps 0.0156" in report.hint
    assert compare([run(1)], [scaled], Settings(own={}, candidate_steps=1 / 64)).verdict is Verdict.PASS


def test_no_metric_in_common_is_said_with_names():
    other = run(2)
    strange = Run("x", "x", "made", {f"my/{name}": one for name, one in other.series.items()})
    report = compare([run(1)], [strange], PLAIN)
    assert report.reason == "no-common-metric"
    assert "my/kl" in report.message
    own = Settings(own={"my/kl": "kl_ref"})
    assert [one.name for one in compare([run(1)], [strange], own).metrics] == ["kl_ref"]


def test_unknown_names_are_compared_when_asked():
    made = [
        Run(str(seed), "x", "made", {"my/own": run(seed).series["kl"], "kl": run(seed).series["kl"]})
        for seed in (1, 2)
    ]
    assert compare(made[:1], made[1:], PLAIN).not_compared == ("my/own",)
    for settings in (Settings(own={}, everything=True), Settings(own={}, only=("my/own",))):
        assert "my/own" in {one.name for one in compare(made[:1], made[1:], settings).metrics}
    with pytest.raises(UsageError):
        compare(made[:1], made[1:], Settings(own={}, only=("my/onw",)))


def test_a_difference_that_is_tolerated_is_no_departure():
    candidate = run(2, leaves=60)
    only = ("clip_rate",)
    report = compare([run(1)], [candidate], Settings(own={}, only=only, tolerated={"clip_rate": 0.05}))
    assert report.verdict is Verdict.PASS
    assert "within the 0.05 that are tolerated" in report.metrics[0].message
    strict = compare([run(1)], [candidate], Settings(own={}, only=only, tolerated={"clip_rate": 0.01}))
    assert strict.verdict is Verdict.FAIL


@pytest.mark.parametrize("pair", ["x", "x=", "=1", "x=-1", "x=nan", "x=y"])
def test_a_tolerance_that_is_none_is_refused(pair: str):
    with pytest.raises(UsageError):
        tolerances([pair])
    assert tolerances(["kl_old=0.5", "a=b=1"]) == {"kl_old": 0.5, "a=b": 1.0}


def test_a_level_that_is_stricter_tells_less():
    candidate = run(2, leaves=60)
    strict = compare([run(1)], [candidate], Settings(own={}, level=1e-6))
    usual = compare([run(1)], [candidate], PLAIN)
    left = [sum(one.left is not None for one in report.metrics) for report in (strict, usual)]
    assert left[0] <= left[1]


def test_an_empty_run_is_no_traceback():
    report = compare([Run("a", "a", "made", {})], [run(1)], PLAIN)
    assert report.reason == "no-common-metric"
    empty = Series(np.zeros(0), np.zeros(0))
    report = compare([Run("a", "a", "made", {"kl": empty})], [run(1)], PLAIN)
    assert report.verdict is None
