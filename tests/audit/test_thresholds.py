from __future__ import annotations

import pytest

from vllm_migrate.audit.decide.thresholds import GATING, PROFILES, load_thresholds, override
from vllm_migrate.errors import ConfigError, UsageError


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("metric", GATING)
def test_every_margin_has_a_source_and_a_cap_above_it(metric, profile):
    row = load_thresholds(profile).metrics[metric]
    assert len(row.source) > 20
    assert 0 < row.margin <= row.cap
    assert row.floor_multiple >= 1


def test_the_table_is_versioned():
    table = load_thresholds()
    assert table.version >= 2
    assert table.profile == "bf16"
    assert table.reward.source
    assert all(limit.source for limit in table.diagnostics.values())


def test_the_margin_follows_the_floor_between_table_and_cap():
    row = load_thresholds().metrics["mean_abs"]
    assert row.against(None)[0] == row.margin
    assert row.against(0.0) == (row.margin, row.source)
    assert row.against(0.02)[0] == pytest.approx(0.04)
    assert row.against(5.0)[0] == row.cap
    assert row.against(-0.02)[0] == pytest.approx(0.04)


def test_profiles_are_ordered_by_what_they_allow():
    strict, bf16, fp8 = (load_thresholds(name).metrics for name in ("strict-bitwise", "bf16", "fp8"))
    for metric in ("mean_abs", "k2", "mean_ratio_deviation"):
        assert strict[metric].margin < bf16[metric].margin < fp8[metric].margin


def test_a_profile_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="is not one of") as caught:
        load_thresholds("bf61")
    assert "bf16" in caught.value.hint


def test_own_figures_replace_the_tables_and_say_where_they_are_from():
    table = override(
        load_thresholds(),
        {"mean-abs": 0.1, "k2": {"cap": 0.05, "floor-multiple": 3}, "reward": {"margin": 0.1}},
        "pyproject.toml",
    )
    mean_abs, k2 = table.metrics["mean_abs"], table.metrics["k2"]
    assert (mean_abs.margin, mean_abs.cap, mean_abs.source) == (0.1, 0.1, "set in pyproject.toml")
    assert (k2.margin, k2.cap, k2.floor_multiple) == (0.001, 0.05, 3.0)
    assert table.reward.margin == 0.1
    assert load_thresholds().metrics["mean_abs"].margin == 0.02


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"mean_abss": 0.1}, "is no gating metric", "mean_abs"),
        ({"k2": {"margn": 0.1}}, "unknown key", "margin"),
        ({"k2": "0.1"}, "must be a number", ""),
        ({"k2": -1}, "must be a number", ""),
        ({"k2": {"cap": True}}, "must be a number", ""),
    ],
)
def test_figures_that_can_not_be_are_refused(given, message, hint):
    with pytest.raises(ConfigError, match=message) as caught:
        override(load_thresholds(), given, "pyproject.toml")
    assert hint in caught.value.hint
