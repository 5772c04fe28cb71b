from __future__ import annotations

import math
from dataclasses import fields

import pytest

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard.boundaries import DIRECTIONS, Boundaries
from vllm_migrate.guard.measured import Measured
from vllm_migrate.guard.stages import Action, Stage

SHIPPED = Boundaries.default()


def test_every_boundary_bounds_a_figure_and_says_where_its_limits_come_from():
    figures = {field.name for field in fields(Measured)}
    for boundary in SHIPPED:
        assert boundary.of in figures
        assert boundary.direction in DIRECTIONS
        assert boundary.what
        assert boundary.source
        assert boundary.unit
        if boundary.only_above is not None:
            assert boundary.only_above[0] in figures
    assert SHIPPED.version == 1


def test_every_stage_is_bounded_and_the_table_is_in_the_order_of_a_step():
    ranks = [boundary.stage.rank for boundary in SHIPPED]
    assert ranks == sorted(ranks)
    assert {boundary.stage for boundary in SHIPPED} == set(Stage)


def test_no_warning_lies_beyond_its_stop():
    for boundary in SHIPPED:
        if boundary.warn is not None and boundary.stop is not None:
            assert not boundary.beyond(boundary.warn, boundary.stop), boundary.name


@pytest.mark.parametrize(
    ("name", "warn", "stop", "patience"),
    [("policy_kl", 0.02, 0.05, 2), ("ess", 0.5, 0.3, 1), ("base_kl", None, None, 1)],
)
def test_the_boundaries_that_were_asked_for_have_their_limits(name, warn, stop, patience):
    boundary = SHIPPED[name]
    assert (boundary.warn, boundary.stop, boundary.patience) == (warn, stop, patience)


def test_a_figure_on_its_limit_has_not_crossed_it_and_what_is_no_number_has():
    above, below, either = SHIPPED["policy_kl"], SHIPPED["ess"], SHIPPED["mean_ratio_deviation"]
    assert not above.beyond(0.05, 0.05)
    assert above.beyond(math.nextafter(0.05, 1), 0.05)
    assert below.beyond(0.29, 0.3)
    assert not below.beyond(0.3, 0.3)
    assert either.beyond(-0.06, 0.05)
    assert either.beyond(0.06, 0.05)
    for boundary in (above, below, either):
        assert boundary.beyond(math.nan, 0.05)
        assert not boundary.beyond(math.nan, None)


def test_settings_are_replaced_one_by_one_and_the_shipped_ones_stay():
    mine = SHIPPED.with_("policy_kl", stop=0.1, patience=3, action="skip_batch")
    changed = mine["policy_kl"]
    assert (changed.warn, changed.stop, changed.patience, changed.action) == (0.02, 0.1, 3, Action.SKIP_BATCH)
    assert changed.source.startswith("set by the user; shipped: PPO")
    assert SHIPPED["policy_kl"].stop == 0.05
    assert mine.with_("ess", action="log")["ess"].action is Action.CONTINUE
    assert mine.with_("ess", action=Action.WARN)["ess"].action is Action.WARN
    assert SHIPPED.without("ess")["ess"].stop is None
    assert SHIPPED.without("ess")["ess"].warn is None
    assert SHIPPED["policy-kl"] is SHIPPED["policy_kl"]


@pytest.mark.parametrize(
    ("name", "settings", "said", "hint"),
    [
        ("polcy_kl", {}, "no boundary 'polcy_kl'", "did you mean 'policy_kl'?"),
        ("zzz", {}, "no boundary 'zzz'", "boundaries: rollout_missing"),
        ("ess", {"warm": 1}, "no setting 'warm'", "did you mean 'warn'?"),
        ("ess", {"warn": "0.2"}, "ess.warn must be a number", ""),
        ("ess", {"warn": True}, "ess.warn must be a number", ""),
        ("ess", {"warn": math.nan}, "ess.warn must be a number", ""),
        ("ess", {"patience": 0}, "1 or more", ""),
        ("ess", {"patience": 1.5}, "1 or more", ""),
        ("ess", {"action": "explode"}, "one of log, warn, skip_batch, stop", ""),
        ("ess", {"warn": 0.2}, "the warning at 0.2 lies beyond the stop at 0.3", "set both"),
        ("policy_kl", {"stop": 0.01}, "the warning at 0.02 lies beyond the stop at 0.01", "set both"),
    ],
)
def test_what_can_not_be_is_refused_in_one_line(name, settings, said, hint):
    with pytest.raises(BoundaryError) as refused:
        SHIPPED.with_(name, **settings)
    assert said in refused.value.message
    assert "\n" not in refused.value.message
    assert hint in refused.value.hint
