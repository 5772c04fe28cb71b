"""Advice, inputs, settings and speed on plain values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from plans import a_plan, numbered

from vllm_migrate.audit.cause.afterwards import complete
from vllm_migrate.audit.cause.correction import shares
from vllm_migrate.audit.cause.earn_speed import options, parity_flips, speedup
from vllm_migrate.audit.cause.evidence import Option, SpeedRun
from vllm_migrate.audit.evidence import EngineRun, Evidence
from vllm_migrate.audit.result import Arm, AuditResult, Cause, Remedy, Verdict
from vllm_migrate.audit.sections import Invariant
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.workers.protocol import Loaded, ReplayRecord

PROMPTS, SAMPLES, TOKENS = 20, 4, 50
DEFAULTS = {"logprobs_mode": "raw_logprobs", "enable_prefix_caching": True, "max_num_seqs": 256}


@pytest.fixture
def plan():
    return a_plan(prompts=numbered(PROMPTS), samples=SAMPLES, candidate_args={"max_num_seqs": 256})


def rollouts():
    generator = np.random.default_rng(0)
    return tuple(
        Rollout(prompt, sample, (1,) * TOKENS, tuple(-generator.exponential(size=TOKENS)))
        for prompt in range(PROMPTS)
        for sample in range(SAMPLES)
    )


def engine_run(name, trainer_shift=0.0):
    made = rollouts()
    loaded = Loaded("vllm.v1.engine.llm_engine.LLMEngine", "v1-model-runner", "0.32.0", DEFAULTS, 1.0)
    run = EngineRun(name, "v1", {}, loaded, rollouts=made)
    run.trainer = [
        ReplayRecord(list(np.array(r.logprobs) + trainer_shift), [], list(r.token_ids)) for r in made
    ]
    return run


def evidence(*runs, **more):
    made = Provenance("v0", "0.8.5", "vllm.engine.llm_engine.LLMEngine", "v0", {}, {}, {}, "h", "t", "c")
    trace = Trace(made, tuple(Prompt(i, f"prompt {i}", (1,)) for i in range(PROMPTS)), rollouts())
    return Evidence(trace, {run.name: run for run in runs}, **more)


def result(verdict, *, cause=Cause.NONE, remedy=None, arms=()):
    return AuditResult(
        verdict=verdict,
        reason="",
        cause=cause,
        cause_evidence="",
        settings={},
        remedy=None if remedy is None else Remedy({}, remedy),
        reward=None,
        arms=arms,
        timing={},
    )


def titles(found):
    return [advice.title for advice in found.advice]


def test_no_correction_is_advised_before_semantics_are_cleared(plan):
    failed = result(Verdict.FAIL, cause=Cause.RAW_LOGPROBS)
    found = complete(failed, plan, evidence(engine_run("candidate")))
    assert titles(found) == ["Raw instead of processed logprobs", "No importance-sampling correction yet"]
    assert "raw-instead-of-processed-logprobs" in found.advice[-1].reason


def test_equal_logprobs_need_no_correction(plan):
    found = complete(result(Verdict.PASS), plan, evidence(engine_run("candidate")))
    assert titles(found) == ["No importance-sampling correction is needed at the start"]
    assert "0.00% of tokens" in found.advice[0].reason


def test_a_remedy_that_passes_is_what_the_advice_is_about(plan):
    failed = result(Verdict.FAIL, cause=Cause.RAW_LOGPROBS, remedy=Verdict.PASS)
    found = complete(failed, plan, evidence(engine_run("candidate", 5.0), engine_run("remedy")))
    assert "with the remedy's settings" in found.advice[-1].reason
    assert "0.00% of tokens" in found.advice[-1].reason


def test_a_broken_invariant_withholds_the_advice_whatever_the_remedy_says(plan):
    failed = dataclasses.replace(
        result(Verdict.FAIL, cause=Cause.STALE_PREFIX_CACHE, remedy=Verdict.PASS),
        invariants=(Invariant("no-stale-prefix", holds=False),),
    )
    assert titles(complete(failed, plan, evidence(engine_run("remedy"))))[-1].endswith("correction yet")


def test_what_truncation_and_masks_would_touch():
    """A shift of 0.1 nats on 50 tokens is a ratio of 1.1 each and of 148 for the completion."""
    token, sequence, effective = shares(engine_run("candidate", 0.1))
    assert (token, sequence) == (0.0, 1.0)
    assert effective == pytest.approx(1.0)
    assert shares(engine_run("candidate", 1.0))[0] == 1.0


def test_long_completions_are_better_not_masked_as_a_whole(plan):
    found = complete(result(Verdict.PASS), plan, evidence(engine_run("candidate", 1.0)))
    assert titles(found) == ["Correct token by token (TIS), not by sequence masks"]


def test_other_prompt_ids_fail_a_candidate_that_would_pass(plan):
    made = evidence(engine_run("candidate"), other_inputs=(3, 5), compared_inputs=PROMPTS)
    found = complete(result(Verdict.PASS), plan, made)
    assert (found.verdict, found.cause) == (Verdict.FAIL, Cause.INPUTS)
    (invariant,) = found.invariants
    assert (invariant.holds, invariant.value) == (False, 0.1)
    assert "3, 5" in invariant.note


def test_a_template_is_told_from_a_tokenizer(plan):
    made = evidence(
        engine_run("candidate"), other_inputs=(3, 5), compared_inputs=PROMPTS, other_templates=(3, 5)
    )
    found = complete(result(Verdict.PASS), plan, made)
    assert (found.verdict, found.reason, found.cause) == (Verdict.FAIL, "invariant", Cause.CHAT_TEMPLATE)
    assert "2 of 20" in found.cause_evidence
    mixed = dataclasses.replace(made, other_templates=(3,))
    assert complete(result(Verdict.PASS), plan, mixed).cause is Cause.INPUTS


def test_equal_prompt_ids_hold_and_change_nothing(plan):
    made = evidence(engine_run("candidate"), compared_inputs=PROMPTS)
    found = complete(result(Verdict.PASS), plan, made)
    assert (found.verdict, found.invariants[0].holds) == (Verdict.PASS, True)


def arm(name, settings):
    return Arm(name, "v1", "", "", "", settings, None, None, None)


def test_settings_that_differ_stand_side_by_side(plan):
    arms = (
        arm("reference", {"enable_prefix_caching": False, "max_num_seqs": 256, "dtype": "bfloat16"}),
        arm("candidate", {**DEFAULTS, "dtype": "bfloat16"}),
    )
    found = complete(result(Verdict.FAIL, arms=arms), plan, evidence())
    rows = {row.name: row for row in found.settings_table}
    assert rows["enable_prefix_caching"].reference is False
    assert rows["enable_prefix_caching"].candidate is True
    assert rows["enable_prefix_caching"].given == "default"
    assert "dtype" not in rows
    assert "max_num_seqs" not in rows


def test_speedups_are_geometric_means_with_an_interval():
    found = speedup([1.1, 1.2, 1.15, 1.12, 1.18])
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(1.15, abs=0.01)
    assert speedup([2.0, 0.5]).value == pytest.approx(1.0)
    assert speedup([1.5]).low is None


def test_an_option_that_keeps_the_signal_and_is_clearly_faster_is_recommended(plan):
    made = evidence(engine_run("candidate"))
    records = [ReplayRecord(list(r.logprobs), [], list(r.token_ids)) for r in made.trace.rollouts]
    faster = SpeedRun(Option({"enable_prefix_caching": True}), list(range(80)), records, [1.3, 1.31, 1.29])
    same = dataclasses.replace(faster, ratios=[1.0, 1.01, 0.99])
    off = [ReplayRecord(list(np.array(r.logprobs) - 1.0), [], r.emitted) for r in records]
    wrong = dataclasses.replace(faster, records=off)
    untried = SpeedRun(Option({"async_scheduling": True}), note="not on a CPU")
    made.speed = [faster, same, wrong, untried]
    found = complete(result(Verdict.PASS), plan, made).speed
    assert [option.recommended for option in found] == [True, False, False, False]
    assert [option.verdict.value for option in found] == ["PASS", "PASS", "FAIL", "INCONCLUSIVE"]
    assert found[3].note == "not on a CPU"
    failed = complete(result(Verdict.FAIL), plan, made).speed
    assert not failed[0].recommended


def test_what_a_cpu_can_not_have_is_said_not_tried():
    on_cpu = {**DEFAULTS, "device": "cpu", "enforce_eager": True, "enable_chunked_prefill": True}
    found = options(on_cpu)
    assert [bool(option.obstacle) for option in found] == [False, True, True]
    assert "forces" in found[1].obstacle
    on_gpu = options({**on_cpu, "device": "cuda"})
    assert not any(option.obstacle for option in on_gpu)
    assert on_gpu[-1].settings == {
        "enable_prefix_caching": True,
        "async_scheduling": True,
        "enforce_eager": False,
    }


def test_a_live_candidate_is_brought_to_parity_by_two_flips():
    assert parity_flips(DEFAULTS) == {
        "logprobs_mode": "processed_logprobs",
        "enable_prefix_caching": False,
    }
    assert parity_flips({"logprobs_mode": "processed_logprobs", "enable_prefix_caching": False}) == {}
