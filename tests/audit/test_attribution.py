from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vllm_migrate.audit.cause.attribution import main_rung, name_cause, raw_signature
from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.audit.sections import Ladder, Rung
from vllm_migrate.statistics.verdict import Estimate


@pytest.fixture
def sides():
    """What the reference reports, and raw logprobs that differ by the mass that truncation moves."""
    generator = np.random.default_rng(0)
    processed = -generator.exponential(size=1000)
    return processed, processed - generator.exponential(0.1, size=1000)


def rung(cause, share, *, spread=0.05, layer="semantic", against="reference"):
    return Rung(
        cause.value,
        layer,
        {cause.name.lower(): "changed"},
        "live",
        removed=Estimate(share, share - spread, share + spread),
        before=0.5,
        after=0.5 * (1 - share),
        against=against,
    )


def ladder(*rungs):
    return Ladder("mean_abs", Estimate(0.5, 0.4, 0.6), rungs, residual=Estimate(0.1, 0.05, 0.15))


def test_what_removes_most_of_the_excess_is_named(sides):
    processed, raw = sides
    tried = ladder(rung(Cause.HEAD_PRECISION, 0.6, layer="numerics"), rung(Cause.RAW_LOGPROBS, 0.97))
    cause, evidence = name_cause(tried, raw_signature(raw, raw, processed), Verdict.FAIL)
    assert cause is Cause.RAW_LOGPROBS
    assert "its own raw ones" in evidence
    assert "97.0%" in evidence
    assert "together leave 10.0%" in evidence


def test_less_than_half_names_nothing_but_is_said(sides):
    processed, raw = sides
    tried = ladder(rung(Cause.RAW_LOGPROBS, 0.2))
    cause, evidence = name_cause(tried, raw_signature(raw, raw, processed), Verdict.FAIL)
    assert cause is Cause.UNEXPLAINED
    assert "20.0%" in evidence


def test_what_was_changed_in_the_reference_is_said_to_be():
    tried = dataclasses.replace(
        rung(Cause.GENERATION_CONFIG, 0.9), setting={"reference_temperature": 0.6, "reference_top_k": 20}
    )
    _, evidence = name_cause(ladder(tried), None, Verdict.FAIL)
    assert "replaying the reference with temperature=0.6, top_k=20 removes 90.0%" in evidence


def test_half_of_what_exceeds_rounding_will_do_for_a_candidate_that_fails():
    """The whole distance is 0.5 nats; with rounding of 0.2, the 0.2 that go are two thirds of the rest."""
    tried = ladder(rung(Cause.PENALTIES, 0.4))
    assert name_cause(tried, None, Verdict.FAIL)[0] is Cause.UNEXPLAINED
    cause, evidence = name_cause(tried, None, Verdict.FAIL, rounding=0.2)
    assert cause is Cause.PENALTIES
    assert "rounding makes up some 0.2000" in evidence
    assert name_cause(tried, None, Verdict.INCONCLUSIVE, rounding=0.2)[0] is Cause.NONE
    little = ladder(rung(Cause.PENALTIES, 0.1))
    assert name_cause(little, None, Verdict.FAIL, rounding=0.45)[0] is Cause.UNEXPLAINED
    assert name_cause(tried, None, Verdict.FAIL, rounding=0.6)[0] is Cause.UNEXPLAINED


def test_a_share_that_may_be_chance_names_nothing():
    tried = ladder(rung(Cause.BATCHING, 0.6, spread=0.7, layer="path"))
    assert name_cause(tried, None, Verdict.FAIL)[0] is Cause.UNEXPLAINED


def test_what_only_the_trainer_saw_is_not_named_for_a_distance_to_the_reference():
    assert main_rung(ladder(rung(Cause.HEAD_PRECISION, 0.9, against="trainer"))) is None


def test_a_candidate_that_passes_has_no_cause():
    assert name_cause(ladder(rung(Cause.RAW_LOGPROBS, 0.9)), None, Verdict.PASS) == (Cause.NONE, "")


def test_without_a_verdict_only_what_logprobs_mean_is_named():
    semantic = ladder(rung(Cause.RAW_LOGPROBS, 0.9))
    numeric = ladder(rung(Cause.HEAD_PRECISION, 0.9, layer="numerics"))
    assert name_cause(semantic, None, Verdict.INCONCLUSIVE)[0] is Cause.RAW_LOGPROBS
    assert name_cause(numeric, None, Verdict.INCONCLUSIVE)[0] is Cause.NONE


def test_without_a_ladder_a_failure_stays_unexplained(sides):
    processed, raw = sides
    assert name_cause(None, None, Verdict.FAIL)[0] is Cause.UNEXPLAINED
    cause, evidence = name_cause(None, raw_signature(raw, raw, processed), Verdict.FAIL)
    assert cause is Cause.UNEXPLAINED
    assert "look like raw ones" in evidence


def test_another_difference_is_not_mistaken_for_raw_logprobs(sides):
    processed, raw = sides
    assert not raw_signature(processed + 0.3, raw, processed).raw


def test_where_raw_equals_processed_nothing_is_suspected():
    """At temperature 1 without truncation the two are one number."""
    same = -np.ones(10)
    assert not raw_signature(same, same, same + 1e-4).raw


def test_without_a_tap_nothing_is_suspected(sides):
    processed, raw = sides
    assert not raw_signature(raw, np.zeros(0), processed).raw


def test_tokens_outside_support_do_not_spoil_the_signature(sides):
    processed, raw = sides
    processed[3] = -np.inf
    signature = raw_signature(raw, raw, processed)
    assert signature.raw
    assert signature.tokens == 999
