"""The guard in a real GRPOTrainer, training the shipped model; `trl_runs.py` does the training."""

from __future__ import annotations

import pytest
from trl_site import run

pytestmark = pytest.mark.engine

TIMES = ("guard/weight_lag", "guard/reward_mean")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return run("trl_runs.py", tmp_path_factory.mktemp("trl"))


@pytest.fixture
def of(runs):
    def scenario(name):
        found = runs[name]
        assert "failed" not in found, found["failed"]
        return found

    return scenario


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "moving_with_reference",
        "warned",
        "fewer_updates_than_a_generation",
        "by_sequence",
        "not_clipping",
    ],
)
def test_what_is_trained_is_the_same_to_the_bit(of, name):
    found = of(name)
    without, guarded = found["without"], found["with"]
    assert guarded["weights"] == without["weights"]
    assert guarded["optimizer"] == without["optimizer"]
    assert guarded["others"] == without["others"], "what TRL itself logs is the same, too"
    assert all(row == {} for row in without["guard"].values())
    logged = [row for row in guarded["guard"].values() if row]
    assert len(logged) == len(guarded["guard"])
    assert all("guard/action" in row for row in logged)


def test_without_rollout_logprobs_the_mismatch_is_not_judged_and_that_is_said(of):
    found = of("plain")
    assert any("rollout logprobs" in line and "use_vllm is False" in line for line in found["not_judged"])
    assert any("base model" in line for line in found["not_judged"])
    assert any("held_out" in line for line in found["not_judged"])
    assert found["action"] == "continue"
    for row in found["with"]["guard"].values():
        assert not any(name.startswith(("guard/mismatch", "guard/rollout")) for name in row)
        assert row["guard/policy_kl"] == 0


def test_the_policys_movement_and_its_distance_from_the_base_model(of):
    rows = of("moving_with_reference")["with"]["guard"]
    assert [rows[step]["guard/weight_lag"] for step in "123"] == [0, 1, 0]
    assert [rows[step]["guard/policy_kl"] > 0 for step in "123"] == [False, True, False]
    assert rows["1"]["guard/base_kl"] == pytest.approx(0, abs=1e-6)
    assert rows["3"]["guard/base_kl"] > 0.1, "two updates at a high rate have led away from it"
    assert ["guard/reward_mean" in rows[step] for step in "123"] == [True, False, True]


def test_a_warning_is_said_once_and_changes_nothing(of):
    found = of("warned")
    said = [line for line in found["said"] if line.startswith("WARNING")]
    assert len(said) == 1
    assert "step 2: warn" in said[0]
    assert "policy_kl" in said[0]
    assert found["with"]["guard"]["2"]["guard/action"] == 1


def test_rewards_are_judged_once_for_each_generation(of):
    rows = of("fewer_updates_than_a_generation")["with"]["guard"]
    assert [tuple(name in rows[step] for name in TIMES) for step in "1234"] == [
        (True, True),
        (True, False),
        (True, True),
        (True, False),
    ]
    assert [rows[step]["guard/weight_lag"] for step in "1234"] == [0, 1, 0, 1]


def test_the_clip_range_is_the_trainers(of):
    by_token = of("moving_with_reference")["with"]["guard"]["2"]
    by_sequence = of("by_sequence")["with"]["guard"]["2"]
    trl = of("by_sequence")["with"]["others"]["2"][0]
    assert by_token["guard/policy_clip_rate"] < 1
    # GSPO's range is so narrow that every sequence left it; TRL counts those its advantage's sign lets count.
    assert by_sequence["guard/policy_clip_rate"] == 1
    assert trl["clip_ratio/region_mean"] > 0
    assert any("sapo" in line for line in of("not_clipping")["not_judged"])


def test_the_figures_are_of_all_micro_batches_of_a_step(of):
    found = of("combined")
    assert found["micro_batches"] == 8
    assert found["found"]["sequences"] == 16, "four micro batches of four"
    for name, value in found["expected"].items():
        assert found["found"][name] == pytest.approx(value, rel=1e-6), name


def test_a_skipped_batch_leaves_weights_and_optimizer_as_they_were(of):
    found = of("skipped")
    assert found["skipped"] == [2, 4]
    changed = [before != after for before, after in zip(found["before"], found["after"], strict=True)]
    assert changed == [True, False, True, False, True]
    assert [found["guard"][step]["guard/action"] for step in "12345"] == [0, 2, 0, 2, 0]
    assert sum("skip_batch" in line for line in found["said"]) == 2


def test_a_stop_comes_before_the_update_with_a_checkpoint_and_a_reason(of):
    found = of("stopped")
    message, hint = found["error"]
    assert message == found["stopped"]
    assert message.startswith("step 2: stop: first out of bounds is the update stage: policy_kl")
    assert found["stage"] == "update"
    assert found["global_step"] == 2
    assert found["after"][1] == found["before"][1], "the second update did not happen"
    assert found["saved"] == found["before"][1][0], "the checkpoint holds the weights from before it"
    assert "checkpoint-2" in hint
    assert found["guard"]["2"]["guard/action"] == 3, "what stopped it is logged"


def test_a_stop_may_be_quiet_and_save_nothing(of):
    quiet, unsaved = of("stopped_quietly"), of("stopped_unsaved")
    assert quiet["error"] is None
    assert quiet["stopped"] == of("stopped")["stopped"]
    assert quiet["saved"] == quiet["before"][1][0]
    assert unsaved["saved"] is None
    assert "not saved" in unsaved["error"][1]


def test_warming_up_puts_a_stop_off(of):
    assert of("warming_up")["global_step"] == 4


def test_a_resumed_training_goes_on_counting(of):
    found = of("resumed")
    assert found["first"] == 2
    assert found["resumed"] == found["anew"], "as if it had not stopped"
    assert "3 of 3 steps in a row" in found["resumed"][1]


def test_detaching_restores_the_trainer(of):
    found = of("detached")
    assert found["left"] == []
    assert "_compute_loss" in found["inside"]
    assert found["callbacks"]
    assert found["weights"][0] == found["weights"][1]
    assert all(row == {} for row in found["guard"].values())


def test_what_it_cannot_be_attached_to_is_refused_in_one_line(of):
    said = of("refused")
    assert said["again"] is None
    assert said["harmless"] is None, "a subclass that leaves alone what the guard reads"
    for name, words in {
        "twice": "has a guard already",
        "class": "the class GRPOTrainer",
        "loss": "OwnLoss overrides _compute_loss",
        "logprobs": "OwnLogprobs overrides _get_per_token_logps_and_entropies",
        "replaced": "_compute_loss of this GRPOTrainer has been replaced",
        "deepspeed": "DeepSpeed",
        "held_out_absent": "none of the trainer's reward functions",
        "held_out_trained_on": "its reward weight is 1",
    }.items():
        assert words in said[name]
        assert "\n" not in said[name]


def test_a_held_out_reward_is_measured_and_not_trained_on(of):
    found = of("held_out")
    assert not any("held_out" in line for line in found["not_judged"])
    for step, row in found["guard"].items():
        trl = found["trl"][step]
        assert row["guard/second_reward_mean"] == pytest.approx(trl["rewards/length/mean"], rel=1e-6)
        assert row["guard/reward_mean"] == pytest.approx(trl["rewards/variety/mean"], rel=1e-6)


def test_evaluation_is_not_judged(of):
    found = of("evaluating")
    assert found["evaluated"] == 3
    rows = [row for row in found["guard"].values() if row]
    assert [row["guard/sequences"] for row in rows] == [8, 8, 8]


def test_a_batch_without_a_token_is_no_error(of):
    found = of("all_masked")
    assert found["steps"] == 3
    assert not found["judged"]
    assert sum("keep no token" in line for line in found["said"]) == 1


def test_right_rollout_logprobs_pass(of):
    found = of("right_logprobs")
    assert found["stopped"] is None
    assert found["steps"] == 4
    assert not any("rollout" in line for line in found["not_judged"])
    assert all(row["guard/mismatch_k2"] < 1e-8 for row in found["guard"].values() if row)
    assert all(row["guard/ess"] > 0.999 for row in found["guard"].values() if row)


def test_raw_rollout_logprobs_stop_the_training_at_the_second_step(of):
    found = of("raw_logprobs")
    assert found["steps"] == 2
    assert found["stage"] == "logprob"
    assert "mean_ratio_deviation" in found["stopped"]
    assert [found["guard"][step]["guard/action"] for step in "12"] == [1, 3]
    assert found["guard"]["1"]["guard/policy_kl"] == 0, "the policy had no part in it"
