from __future__ import annotations

import json
import math

import numpy as np
import pytest
from guard_steps import grouped, step

from vllm_migrate.errors import BoundaryError, TrainingStopped
from vllm_migrate.guard import Action, Boundaries, PolicyGuard, Stage

SHIPPED = Boundaries.default()
CALM, FAR = step(movement=0.05, mismatch=0.02), step(movement=0.5, mismatch=0.02)
ONLY_KL = SHIPPED.without(*(row.name for row in SHIPPED if row.name != "policy_kl" and row.warn is not None))


def guard(boundaries=SHIPPED, **settings):
    return PolicyGuard(boundaries, **settings)


def test_a_step_within_its_bounds_goes_on_without_a_word():
    decision = guard().step(**CALM)
    assert decision.action is Action.CONTINUE
    assert (decision.stage, decision.crossings, decision.message) == (None, (), "")
    assert not decision.stopped
    decision.raise_if_stopped()


def test_a_policy_that_moves_too_far_is_stopped_at_the_second_step_in_a_row():
    mine = guard(ONLY_KL)
    first, second = mine.step(**FAR), mine.step(**FAR)
    assert (first.action, first.stage) == (Action.WARN, Stage.UPDATE)
    assert "1 of 2 steps in a row" in first.message
    assert second.stopped
    assert second.save_first
    assert second.crossings[0].steps_in_a_row == 2
    assert second.message.startswith("step 2: stop: first out of bounds is the update stage: policy_kl 0.1")
    assert "the policy itself moved" in second.message
    assert "\n" not in second.message
    with pytest.raises(TrainingStopped, match="step 2: stop") as stopped:
        second.raise_if_stopped()
    assert stopped.value.hint == "save a checkpoint first"


def test_a_calm_step_between_starts_the_count_anew():
    mine = guard(ONLY_KL)
    actions = [mine.step(**given).action for given in (FAR, CALM, FAR, CALM, FAR, FAR)]
    assert actions == [
        Action.WARN,
        Action.CONTINUE,
        Action.WARN,
        Action.CONTINUE,
        Action.WARN,
        Action.STOP,
    ]


def test_a_figure_that_was_not_given_leaves_the_count_as_it_is():
    mine = guard(SHIPPED.with_("zero_variance_groups", stop=0.9, patience=2))
    flat = grouped([1.0] * 8, 4)
    assert mine.step(**CALM, **flat).action is Action.WARN
    assert mine.step(**CALM).action is Action.CONTINUE
    assert mine.step(**CALM, **flat).stopped


@pytest.mark.parametrize(
    ("setting", "action"),
    [
        ("log", Action.CONTINUE),
        ("warn", Action.WARN),
        ("skip_batch", Action.SKIP_BATCH),
        ("stop", Action.STOP),
    ],
)
def test_what_is_done_is_a_setting(setting, action):
    decision = guard(ONLY_KL.with_("policy_kl", patience=1, action=setting)).step(**FAR)
    assert decision.action is action
    assert decision.save_first == (action is Action.STOP)
    assert [crossing.boundary for crossing in decision.crossings] == ["policy_kl"]
    assert decision.metrics()["guard/action"] == action.rank


def test_a_checkpoint_is_asked_for_unless_it_is_switched_off():
    from dataclasses import replace  # noqa: PLC0415 - here alone

    mine = guard(replace(ONLY_KL.with_("policy_kl", patience=1), save_first=False))
    assert not mine.step(**FAR).save_first


def test_nothing_but_broken_data_counts_while_warming_up():
    mine = guard(ONLY_KL, warm_up=2)
    assert [mine.step(**FAR).action for _ in range(4)] == [
        Action.CONTINUE,
        Action.CONTINUE,
        Action.WARN,
        Action.STOP,
    ]
    broken = {**CALM, "rollout_logprobs": np.full((8, 32), np.nan)}
    decision = guard(warm_up=2).step(**broken)
    assert (decision.action, decision.stage) == (Action.STOP, Stage.ROLLOUT)


@pytest.mark.parametrize(
    ("given", "stage", "boundary"),
    [
        ({"rollout_logprobs": None}, Stage.ROLLOUT, "rollout_missing"),
        ({"weight_lag": 9}, Stage.ROLLOUT, "weight_lag"),
        ({"trainer_logprobs": np.full((8, 32), np.nan)}, Stage.LOGPROB, "logprob_non_finite"),
        ({"rewards": np.full(8, np.nan)}, Stage.REWARD, "reward_non_finite"),
        ({"advantages": np.full(8, np.inf)}, Stage.ADVANTAGE, "advantage_non_finite"),
    ],
)
def test_each_stage_is_checked_on_its_own(given, stage, boundary):
    decision = guard().step(**{**CALM, **given})
    assert decision.stopped
    assert decision.stage is stage
    assert decision.crossings[0].boundary == boundary
    assert f"the {stage.value} stage" in decision.message


def test_the_first_stage_is_named_before_the_one_that_decides():
    mine = guard(SHIPPED.with_("policy_kl", patience=1))
    decision = mine.step(**step(movement=0.5, mismatch=0.17))
    assert decision.stage is Stage.LOGPROB
    assert decision.stopped
    assert "first out of bounds is the logprob stage: " in decision.message
    assert "what decides is the update stage: policy_kl" in decision.message


def test_a_backend_that_drifts_is_told_from_a_policy_that_does():
    backend = guard().step(**step(movement=0.05, mismatch=0.4))
    assert backend.stage is Stage.LOGPROB
    assert "the backend, not the policy" in backend.message
    assert "vllm-migrate audit" in backend.message
    policy = guard().step(**FAR)
    assert "mismatch_k2" not in [crossing.boundary for crossing in policy.crossings]
    assert "the policy's own movement" in policy.message


def test_the_share_of_the_backend_is_asked_only_where_anything_moved():
    calm = guard().step(**step(movement=0.001, mismatch=0.02))
    assert calm.measured.mismatch_share > 0.9
    assert calm.action is Action.CONTINUE
    loud = guard().step(**step(movement=0.03, mismatch=0.06))
    assert [crossing.boundary for crossing in loud.crossings] == ["mismatch_share"]


def test_entropy_is_judged_beside_its_own_mean():
    mine = guard()
    for _ in range(12):
        assert mine.step(**CALM, entropy=1.0).action is Action.CONTINUE
    actions = [mine.step(**CALM, entropy=0.01).action for _ in range(5)]
    assert actions == [Action.WARN] * 4 + [Action.STOP]
    rising = guard()
    for _ in range(12):
        rising.step(**CALM, entropy=1.0)
    decision = rising.step(**CALM, entropy=3.0)
    assert decision.measured.entropy_ratio == pytest.approx(3.0)
    assert [crossing.boundary for crossing in decision.crossings] == ["entropy_rise"]


def test_the_entropy_of_the_warm_up_is_no_measure():
    mine = guard(warm_up=5)
    for _ in range(5):
        mine.step(**CALM, entropy=100.0)
    for _ in range(10):
        mine.step(**CALM, entropy=1.0)
    assert mine.step(**CALM, entropy=1.0).measured.entropy_ratio == pytest.approx(1.0)


def test_the_budget_of_forgetting_is_the_users():
    given = {**CALM, "reference_logprobs": CALM["trainer_logprobs"] - 0.4}
    assert guard().step(**given).metrics()["guard/base_kl"] == pytest.approx(0.4)
    assert guard().step(**given).action is Action.CONTINUE
    assert guard(SHIPPED.with_("base_kl", stop=0.3)).step(**given).stopped


def test_a_reward_that_rises_alone_is_a_warning():
    rng = np.random.default_rng(0)
    mine = guard()
    seen = []
    for number in range(60):
        rewards = (rng.random(32) < 0.3 + 0.01 * number).astype(float)
        second = (rng.random(32) < 0.3).astype(float)
        seen.append(mine.step(**step(shape=(32, 16)), rewards=rewards, second_rewards=second))
    assert all(decision.measured.reward_gap is None for decision in seen[:19])
    assert [crossing.boundary for crossing in seen[-1].crossings] == ["reward_gap"]
    assert "vllm-migrate reward" in seen[-1].message


def test_metrics_are_finite_numbers_under_one_prefix():
    rows = grouped([1, 0, 1, 0, 0, 0, 1, 0], 4)
    metrics = guard().step(**FAR, **rows, weight_lag=1, entropy=0.5).metrics()
    assert all(name.startswith("guard/") for name in metrics)
    assert all(isinstance(value, float) and math.isfinite(value) for value in metrics.values())
    assert {"guard/policy_kl", "guard/mismatch_k2", "guard/ess", "guard/weight_lag"} <= metrics.keys()
    assert "guard/reward_gap" not in metrics


def test_steps_are_counted_unless_they_are_numbered():
    mine = guard()
    assert [mine.step(**CALM).step, mine.step(**CALM).step, mine.step(**CALM, step=70).step] == [1, 2, 70]


def test_a_resumed_training_goes_on_counting():
    rng = np.random.default_rng(0)
    steps = [
        {
            **step(movement=rng.choice([0.05, 0.5]), mismatch=0.02, seed=number),
            **grouped(list(rng.integers(0, 2, 8)), 4),
            "second_rewards": rng.random(8),
            "entropy": rng.random() + 0.5,
        }
        for number in range(40)
    ]
    whole, first, second = guard(warm_up=3), guard(warm_up=3), guard(warm_up=3)
    expected = [whole.step(**given) for given in steps]
    found = [first.step(**given) for given in steps[:21]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    found += [second.step(**given) for given in steps[21:]]
    assert found == expected
    assert {decision.action for decision in found} == {Action.CONTINUE, Action.WARN, Action.STOP}


@pytest.mark.parametrize(
    "state", [{}, {"version": 2}, {"version": 1}, {**PolicyGuard(SHIPPED).state_dict(), "entropies": [1.0]}]
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(state):
    mine = guard()
    mine.step(**CALM)
    before = mine.state_dict()
    with pytest.raises(BoundaryError):
        mine.load_state_dict(state)
    assert mine.state_dict() == before


def test_ranks_that_share_their_sums_decide_alike():
    whole = step(movement=0.5, mismatch=0.05)
    rows = grouped([1, 0, 1, 0, 0, 0, 1, 0], 2)
    vectors = []

    def parts(part):
        return {name: value[part] for name, value in {**whole, **rows}.items()}

    halves = [parts(slice(0, 4)), parts(slice(4, 8))]
    for half in halves:
        guard(reduce=lambda vector: vectors.append(vector) or vector).step(**half)
    both = vectors[0] + vectors[1]
    decisions = [guard(reduce=lambda _: both).step(**half) for half in halves]
    assert decisions[0] == decisions[1]
    alone = guard().step(**whole, **rows)
    assert decisions[0].action is alone.action
    for name, value in alone.metrics().items():
        assert decisions[0].metrics()[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_a_negative_warm_up_is_refused():
    with pytest.raises(BoundaryError):
        guard(warm_up=-1)
