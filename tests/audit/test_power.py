"""What a resolution needs, and what an earlier audit tells about it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from plans import a_plan

from vllm_migrate.audit.decide.costs import Costs, costs_of, recall, remember
from vllm_migrate.audit.decide.power import describe, needed
from vllm_migrate.audit.decide.thresholds import load_thresholds
from vllm_migrate.audit.result import Arm, Estimate, Metrics
from vllm_migrate.audit.run import not_judged

COSTS = Costs(deviation=0.02, length=50.0, per_token=0.001, start=40.0)


def asked(**more):
    given = {"detect": 0.005, "reward": None, "samples": 8, "max_tokens": 64, "costs": COSTS, **more}
    return needed(thresholds=load_thresholds(), **given)


def test_half_the_difference_needs_four_times_the_prompts():
    wide, narrow = asked(detect=0.004).for_divergence, asked(detect=0.002).for_divergence
    assert narrow == pytest.approx(4 * wide, rel=0.01)
    assert asked(detect=0.005).for_divergence == 126  # ((1.96 + 0.84) * 0.02 / 0.005)^2


def test_the_reward_follows_the_equivalence_formula():
    assert asked(reward=0.02).for_reward == pytest.approx(1339, abs=2)
    assert asked(reward=0.02, samples=32).for_reward == pytest.approx(1339 / 4, abs=2)


def test_passing_needs_as_many_tokens_as_show_the_rarest_that_could_reach_a_margin():
    found = asked(detect=1.0, samples=1, costs=None, max_tokens=100)
    assert found.for_tails == math.ceil(math.log(20) * 1.3 / 0.001 / 100)  # k2's, above 3,000 for F(2)
    strict = needed(
        thresholds=load_thresholds("strict-bitwise"),
        detect=1.0,
        reward=None,
        samples=1,
        max_tokens=100,
        costs=None,
    )
    assert strict.for_tails == math.ceil(math.log(20) / 0.001 / 100)


def test_time_comes_from_an_earlier_audit_or_is_unknown():
    found = asked()
    assert found.seconds == pytest.approx(40 + 0.001 * found.tokens)
    assert asked(costs=None).seconds is None
    assert "no earlier audit" in describe(asked(costs=None), detect=0.005, reward=None)
    assert asked(detect=1.0).prompts >= 8


def test_costs_are_kept_by_model_and_engines(tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_MIGRATE_CACHE", str(tmp_path))
    plan = a_plan()
    zero = Estimate(0.0)
    metrics = Metrics(Estimate(0.01, 0.009, 0.011), 0, 0, *[zero] * 6, 1.0, zero, tokens=6400, prompts=16)
    arm = Arm("candidate", "v1", "", "", "", {}, None, metrics, None)
    timing = {"candidate.load": 30.0, "candidate.replay": 10.0, "total": 80.0}
    result = replace(not_judged(plan, "x", ""), arms=(arm,), timing=timing)
    assert recall(plan) is None
    remember(plan, result)
    found = recall(plan)
    assert found == costs_of(plan, result)
    assert found.length == 100.0
    assert found.start == pytest.approx(60.0)
    assert found.per_token * 6400 == pytest.approx(20.0)
    assert recall(replace(plan, v1="v1@0.18.1")) is None


def test_a_damaged_cache_is_as_none(tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_MIGRATE_CACHE", str(tmp_path))
    (tmp_path / "audit-costs.json").write_text("[1, 2", encoding="utf-8")
    assert recall(a_plan()) is None
    remember(a_plan(), not_judged(a_plan(), "x", ""))
