"""The guard in a GRPOTrainer whose completions come from vLLM V1, as TRL itself runs it."""

from __future__ import annotations

import pytest
from trl_site import run

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def run_of_vllm(tmp_path_factory):
    found = run("trl_vllm_runs.py", tmp_path_factory.mktemp("trl-vllm"))["colocated"]
    assert "failed" not in found, found["failed"]
    return found


def test_a_real_v1_sampled(run_of_vllm):
    assert run_of_vllm["engine"] == "vllm.v1.engine.llm_engine.LLMEngine"
    assert not any("rollout" in line for line in run_of_vllm["not_judged"])


def test_the_mismatch_is_what_trl_logs_of_it(run_of_vllm):
    for step, row in run_of_vllm["guard"].items():
        logged = run_of_vllm["trl"][step]["sampling/sampling_logp_difference/mean"]
        assert row["guard/mismatch_abs"] == pytest.approx(logged, rel=1e-4), step


def test_processed_logprobs_pass_and_raw_ones_stop_the_training(run_of_vllm):
    rows = run_of_vllm["guard"]
    assert [rows[step]["guard/action"] for step in "12"] == [0, 0]
    assert [rows[step]["guard/mismatch_k2"] < 0.005 for step in "12"] == [True, True]
    assert run_of_vllm["steps"] == 4, "raw from the third step on, and two in a row stop"
    assert [rows[step]["guard/action"] for step in "34"] == [1, 3]
    assert run_of_vllm["stage"] == "logprob"
    assert [rows[step]["guard/policy_kl"] for step in "34"] == [0, 0]
