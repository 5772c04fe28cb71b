"""Heads in one precision on both sides: what gates, and what is advised for which release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vllm_migrate.audit.result import Arm, AuditResult, Cause, Estimate, Verdict
from vllm_migrate.audit.sections import Ladder, Rung
from vllm_migrate.audit.sync.head_invariant import apply_head, has_float32_head


def result(head, *, version="0.32.0", cause=Cause.NONE, verdict=Verdict.PASS):
    arm = Arm(
        name="candidate",
        engine="v1",
        engine_class="",
        runner="",
        version=version,
        settings={"head_dtype": head},
        verdict=verdict,
        against_reference=None,
        against_trainer=None,
    )
    return AuditResult(
        verdict=verdict,
        reason="pass",
        cause=cause,
        cause_evidence="a reason" if cause is not Cause.NONE else "",
        settings={},
        remedy=None,
        reward=None,
        arms=(arm,),
        timing={},
    )


def test_unknown_trainer_gates_nothing():
    judged = apply_head(result("bfloat16"), "", {})
    assert judged.verdict is Verdict.PASS
    assert judged.invariants[0].holds is None
    assert "--trainer-head" in judged.invariants[0].note


@pytest.mark.parametrize("head", ["bfloat16", "float32"])
def test_one_precision_holds(head):
    judged = apply_head(result(head), head, {})
    assert judged.verdict is Verdict.PASS
    assert judged.invariants[0].holds is True


def with_reference(other, head, **changes):
    judged = result(head, **changes)
    reference = replace(judged.arms[0], name="reference", settings={"head_dtype": other}, verdict=None)
    return replace(judged, arms=(reference, *judged.arms))


def test_a_head_that_changed_from_the_reference_has_to_be_meant():
    judged = apply_head(with_reference("bfloat16", "float32"), "", {})
    assert (judged.verdict, judged.reason, judged.cause) == (
        Verdict.FAIL,
        "invariant",
        Cause.HEAD_PRECISION,
    )
    assert "--trainer-head float32" in judged.invariants[0].note
    meant = apply_head(with_reference("bfloat16", "float32"), "float32", {})
    assert (meant.verdict, meant.invariants[0].holds) == (Verdict.PASS, True)
    other = apply_head(with_reference("bfloat16", "float32", cause=Cause.RAW_LOGPROBS), "", {})
    assert other.cause is Cause.RAW_LOGPROBS
    assert "besides" in other.cause_evidence


def test_what_the_head_costs_is_said_where_it_was_measured():
    def said(removed):
        tried = Rung(Cause.HEAD_PRECISION.value, "numerics", {"head_dtype": "bfloat16"}, "live", removed)
        hint = Rung(Cause.HEAD_PRECISION.value, "numerics", {}, "signature", note="on the lattice")
        found = Ladder("mean_abs", Estimate(0.01), (tried, hint))
        return apply_head(replace(with_reference("bfloat16", "float32"), ladder=found), "", {}).cause_evidence

    assert said(Estimate(0.6, 0.5, 0.7)).endswith(
        "on the lattice; the reference's precision in the candidate removes 60.0% of the difference"
    )
    assert said(Estimate(-0.1, -0.2, 0.1)).endswith("is lost in it")


def test_equal_heads_of_the_engines_leave_the_trainers_open():
    judged = apply_head(with_reference("bfloat16", "bfloat16"), "", {})
    assert (judged.verdict, judged.invariants[0].holds) == (Verdict.PASS, None)


def test_a_float32_trainer_wants_a_float32_engine():
    judged = apply_head(result("bfloat16"), "float32", {"hf_overrides": {"rope_theta": 1.0}})
    assert (judged.verdict, judged.reason, judged.cause) == (
        Verdict.FAIL,
        "invariant",
        Cause.HEAD_PRECISION,
    )
    assert judged.settings == {"hf_overrides": {"rope_theta": 1.0, "head_dtype": "float32"}}


def test_a_release_without_the_setting_is_not_told_to_set_it():
    judged = apply_head(result("bfloat16", version="0.18.1"), "float32", {})
    assert judged.verdict is Verdict.FAIL
    assert judged.settings == {}
    assert "Take a vLLM" in judged.advice[0].title


def test_float32_in_the_engine_alone_is_no_better():
    judged = apply_head(result("float32"), "bfloat16", {})
    assert judged.verdict is Verdict.FAIL
    assert judged.settings == {}
    assert "both sides" in judged.advice[0].title


def test_a_cause_named_before_stays():
    judged = apply_head(result("bfloat16", cause=Cause.RAW_LOGPROBS, verdict=Verdict.FAIL), "float32", {})
    assert judged.cause is Cause.RAW_LOGPROBS
    assert judged.cause_evidence.startswith("a reason; besides, ")


@pytest.mark.parametrize(
    ("version", "known"),
    [("0.18.1", False), ("0.25.1", False), ("0.26.0", True), ("0.32.0", True), ("x", False)],
)
def test_which_releases_have_the_setting(version, known):
    assert has_float32_head(version) is known
