"""The figures against their definitions, and against the audit's, which are computed by other code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from guard_steps import grouped, step

from vllm_migrate.audit.figures.metrics import reduce_tokens
from vllm_migrate.guard.measure import measure
from vllm_migrate.objective import clip_range

GRPO = clip_range("grpo")


@pytest.mark.parametrize("objective", ["grpo", "gspo", "cispo", "reinforce"])
def test_backend_figures_are_the_audits(objective):
    clip = clip_range(objective)
    given = step(mismatch=0.3)
    rng = np.random.default_rng(1)
    given["mask"] = rng.random(given["mask"].shape) < 0.8
    found = measure(clip=clip, **given)
    mask = given["mask"]
    rows = np.nonzero(mask)[0]
    audit = reduce_tokens(
        given["rollout_logprobs"][mask],
        given["trainer_logprobs"][mask],
        rows,
        clip=clip,
        policy_is_other=True,
        sequences=rows,
    )
    tokens = audit.total("tokens")
    assert found.tokens == tokens
    for ours, theirs in (
        ("mismatch_k1", "k1"),
        ("mismatch_k2", "k2"),
        ("mismatch_k3", "k3"),
        ("mismatch_abs", "mean_abs"),
        ("mean_ratio_deviation", "mean_ratio_deviation"),
        ("mismatch_tail_f2", "tail_f2"),
        ("tail_f2", "tail_f2"),
    ):
        assert getattr(found, ours) == pytest.approx(audit.total(theirs) / tokens, rel=1e-9), ours
    assert found.zero_update_clip_rate == found.clip_rate
    assert found.clip_rate == pytest.approx(audit.total("clip_rate") / audit.total("clippable"))
    assert found.ess == pytest.approx(audit.ess, rel=1e-9)


def test_movement_and_mismatch_are_told_apart():
    found = measure(clip=GRPO, **step(mismatch=0.1, movement=0.2, shape=(64, 256)))
    assert found.mismatch_k2 == pytest.approx(0.005, rel=0.05)
    assert found.policy_kl == pytest.approx(0.02, rel=0.05)
    assert found.mismatch_share == pytest.approx(0.2, rel=0.05)
    assert found.movement_known
    moved_alone = measure(clip=GRPO, **step(mismatch=0.0, movement=0.2))
    assert moved_alone.mismatch_k2 == 0
    assert moved_alone.zero_update_clip_rate == 0
    assert moved_alone.clip_rate == moved_alone.policy_clip_rate > 0


def test_without_the_previous_policy_all_is_mismatch_and_there_is_no_share():
    found = measure(clip=GRPO, **step(mismatch=0.1))
    assert not found.movement_known
    assert (found.policy_kl, found.mismatch_share) == (0.0, None)
    assert found.total_k2 == found.mismatch_k2 > 0


def test_a_ratio_too_large_for_a_float_is_still_counted():
    given = {name: value.astype(np.float32) for name, value in step().items() if name != "mask"}
    given["rollout_logprobs"][0, 0] = -200.0
    found = measure(clip=GRPO, mask=np.ones((8, 32)), **given)
    assert found.ess == pytest.approx(1 / 256, rel=1e-3)
    assert found.mismatch_k2 == pytest.approx(
        (200 + given["trainer_logprobs"][0, 0]) ** 2 / 2 / 256, rel=1e-5
    )


def test_what_is_no_number_is_counted_by_stage_and_kept_out_of_the_means():
    given = step(mismatch=0.1, movement=0.1)
    clean = measure(clip=GRPO, **{**given, "mask": np.arange(32) >= 2 + np.zeros((8, 1))})
    given["rollout_logprobs"][:, 0] = np.nan
    given["trainer_logprobs"][:, 1] = -np.inf
    found = measure(clip=GRPO, **given)
    assert found.rollout_non_finite == 1 / 32
    assert found.logprob_non_finite == 1 / 32
    for name in ("policy_kl", "mismatch_k2", "ess", "entropy"):
        assert getattr(found, name) == pytest.approx(getattr(clean, name))


def test_logprobs_that_are_none_are_seen():
    given = step()
    assert measure(clip=GRPO, **given).rollout_above_zero == 0
    probabilities = measure(clip=GRPO, **{**given, "rollout_logprobs": np.exp(given["rollout_logprobs"])})
    assert probabilities.rollout_above_zero == 1
    losses = measure(clip=GRPO, **{**given, "trainer_logprobs": -given["trainer_logprobs"]})
    assert losses.logprob_above_zero == 1
    given["rollout_logprobs"][:2] = 0.0
    assert measure(clip=GRPO, **given).rollout_missing == 0.25
    assert measure(clip=GRPO, **{**given, "rollout_logprobs": None}).rollout_missing == 1


def test_certain_tokens_are_not_missing():
    given = step()
    given["rollout_logprobs"][:] = 0.0
    given["trainer_logprobs"][:] = -1e-4
    assert measure(clip=GRPO, **given).rollout_missing == 0


def test_without_rollout_logprobs_the_policy_is_measured_all_the_same():
    found = measure(clip=GRPO, **{**step(movement=0.2, mismatch=0.1), "rollout_logprobs": None})
    assert found.policy_kl > 0.01
    assert found.mismatch_k2 is None
    assert found.ess is None


def test_entropy_is_what_was_given_or_the_surprise_of_the_tokens():
    given = step()
    surprise = -given["trainer_logprobs"].mean()
    assert measure(clip=GRPO, **given).entropy == pytest.approx(surprise)
    assert measure(clip=GRPO, **given, entropy=0.7).entropy == pytest.approx(0.7)
    by_token = np.where(np.arange(32) < 16, 1.0, np.nan) + np.zeros((8, 1))
    assert measure(clip=GRPO, **given, entropy=by_token).entropy == pytest.approx(1.0)


def test_the_budget_of_forgetting_is_the_mean_log_ratio_to_the_base_model():
    given = step()
    found = measure(clip=GRPO, **given, reference_logprobs=given["trainer_logprobs"] - 0.25)
    assert found.base_kl == pytest.approx(0.25)
    assert measure(clip=GRPO, **given).base_kl is None


def test_groups_without_variance_and_advantages_off_their_centre():
    rows = grouped([1, 1, 0, 1, 0, 0, 0, 0.5], 2)
    found = measure(clip=GRPO, **step(), **rows)
    assert found.zero_variance_groups == 0.5
    assert found.advantage_off_centre == 0
    assert found.advantage_zero == 0.5
    assert found.reward_mean == pytest.approx(3.5 / 8)
    assert found.reward_sd == pytest.approx(np.std(rows["rewards"]))
    shifted = {**rows, "advantages": rows["advantages"] + 1}
    expected = math.sqrt(8 / np.square(shifted["advantages"]).sum())
    assert measure(clip=GRPO, **step(), **shifted).advantage_off_centre == pytest.approx(expected)


def test_a_group_of_one_says_nothing_about_variance():
    rows = {"rewards": np.ones(8), "groups": np.arange(8), "advantages": np.ones(8)}
    found = measure(clip=GRPO, **step(), **rows)
    assert found.zero_variance_groups is None
    assert found.advantage_off_centre is None


def test_advantages_by_token_count_by_sequence():
    given = step()
    given["mask"][:, 16:] = False
    rows = grouped([1, 0, 1, 0, 0, 0, 1, 0], 4)
    by_token = np.where(given["mask"], rows["advantages"][:, None], 99.0)
    by_row = measure(clip=GRPO, **given, **rows)
    found = measure(clip=GRPO, **given, **{**rows, "advantages": by_token})
    for name in ("advantage_abs", "advantage_off_centre", "advantage_zero"):
        assert getattr(found, name) == pytest.approx(getattr(by_row, name), abs=1e-12)


def test_rewards_and_advantages_that_are_no_numbers_are_counted():
    rows = grouped([1, 0, 1, 0, 0, 0, 1, 0], 2)
    rows["rewards"][3] = np.nan
    rows["advantages"][:2] = np.inf
    found = measure(clip=GRPO, **step(), **rows)
    assert found.reward_non_finite == 1 / 8
    assert found.advantage_non_finite == 2 / 8
    assert found.reward_mean == pytest.approx(3 / 7)
    assert found.zero_variance_groups == 0.25


def test_a_second_verifier_may_pass_completions_over():
    second = np.array([1, 0, np.nan, np.nan, 1, 1, np.nan, 0])
    found = measure(clip=GRPO, **step(), second_rewards=second)
    assert found.second_reward_mean == pytest.approx(0.6)


def test_sixteen_bits_are_computed_in_32_and_noted():
    given = {name: value for name, value in step(mismatch=0.1).items() if name != "mask"}
    half = measure(clip=GRPO, mask=np.ones((8, 32)), **{n: v.astype(np.float16) for n, v in given.items()})
    full = measure(clip=GRPO, mask=np.ones((8, 32)), **given)
    assert half.half_precision
    assert not full.half_precision
    assert half.mismatch_k2 == pytest.approx(full.mismatch_k2, rel=0.01)
