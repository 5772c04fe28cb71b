from __future__ import annotations

import pytest

from vllm_migrate.audit.thresholds import GATING, load_thresholds


@pytest.mark.parametrize("metric", GATING)
def test_every_margin_has_a_source_and_a_cap_above_it(metric):
    row = load_thresholds().metrics[metric]
    assert len(row.source) > 40
    assert 0 < row.margin < row.cap
    assert row.floor_multiple >= 1


def test_the_table_is_versioned():
    table = load_thresholds()
    assert table.version >= 1
    assert table.profile == "bf16"
    assert table.reward.source


def test_the_margin_follows_the_floor_between_table_and_cap():
    row = load_thresholds().metrics["mean_abs"]
    assert row.against(None)[0] == row.margin
    assert row.against(0.0) == (row.margin, row.source)
    assert row.against(0.02)[0] == pytest.approx(0.04)
    assert row.against(5.0)[0] == row.cap
    assert row.against(-0.02)[0] == pytest.approx(0.04)
