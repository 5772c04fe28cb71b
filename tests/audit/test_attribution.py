from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.attribution import name_cause, raw_signature, share_removed
from vllm_migrate.audit.result import Cause

PROMPTS = np.repeat(np.arange(20), 50)


@pytest.fixture
def sides():
    """What the reference reports, and raw logprobs that differ by the mass that truncation moves."""
    generator = np.random.default_rng(0)
    processed = -generator.exponential(size=1000)
    return processed, processed - generator.exponential(0.1, size=1000)


def test_a_candidate_that_reports_raw_logprobs_is_named(sides):
    processed, raw = sides
    signature = raw_signature(raw, raw, processed)
    removed = share_removed(processed, raw, processed + 0.001, PROMPTS, floor=0.0)
    cause, evidence = name_cause(signature, removed, failed=True)
    assert cause is Cause.RAW_LOGPROBS
    assert 0.98 < removed.share < 1
    assert removed.low > 0.9
    assert "processed_logprobs" in evidence


def test_the_noise_floor_is_no_excess(sides):
    processed, raw = sides
    removed = share_removed(processed, raw, processed + 0.01, PROMPTS, floor=0.01)
    assert removed.share == pytest.approx(1.0, abs=1e-6)


def test_a_flip_that_removes_little_names_nothing(sides):
    processed, raw = sides
    removed = share_removed(processed, raw, processed + 0.8 * (raw - processed), PROMPTS, floor=0.0)
    cause, evidence = name_cause(raw_signature(raw, raw, processed), removed, failed=True)
    assert cause is Cause.UNEXPLAINED
    assert "20.0%" in evidence


def test_another_difference_is_not_mistaken_for_raw_logprobs(sides):
    processed, raw = sides
    signature = raw_signature(processed + 0.3, raw, processed)
    assert not signature.raw
    assert name_cause(signature, None, failed=True)[0] is Cause.UNEXPLAINED


def test_where_raw_equals_processed_nothing_is_suspected():
    """At temperature 1 without truncation the two are one number."""
    same = -np.ones(10)
    assert not raw_signature(same, same, same + 1e-4).raw
    assert name_cause(raw_signature(same, same, same), None, failed=False) == (Cause.NONE, "")


def test_without_a_tap_nothing_is_suspected(sides):
    processed, raw = sides
    assert not raw_signature(raw, np.zeros(0), processed).raw


def test_tokens_outside_support_do_not_spoil_the_signature(sides):
    processed, raw = sides
    processed[3] = -np.inf
    signature = raw_signature(raw, raw, processed)
    assert signature.raw
    assert signature.tokens == 999
