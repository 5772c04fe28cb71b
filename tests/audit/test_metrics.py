"""Every metric against its definition written out slowly, token by token."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vllm_migrate.audit.decide.judge import compare
from vllm_migrate.audit.figures import metrics as module
from vllm_migrate.audit.figures.metrics import ClipRange, reduce_tokens
from vllm_migrate.errors import EngineError

LOGPROB = st.one_of(st.floats(-12.0, 0.0), st.just(-math.inf), st.floats(-1e-7, 0.0))
TOKENS = st.lists(st.tuples(LOGPROB, LOGPROB, st.integers(0, 5)), min_size=1, max_size=60)


def slow(tokens, clip, *, policy_is_other):
    """The definitions of result.Metrics, in plain Python."""
    shared = [(s, o) for s, o, _ in tokens if math.isfinite(s) and math.isfinite(o)]
    d = [o - s for s, o in shared]
    policy = [x if policy_is_other else -x for x in d]
    n = max(len(d), 1)
    r = [math.exp(x) for x in d]
    return {
        "mean_abs": sum(map(abs, d)) / n,
        "mean_ratio_deviation": sum(x - 1 for x in r) / n,
        "k1": sum(-x for x in d) / n,
        "k2": sum(x * x / 2 for x in d) / n,
        "k3": sum(math.exp(x) - x - 1 for x in d) / n,
        "tail_f2": sum(max(x, 1 / x) > 2 for x in r) / n,
        "clip_rate": sum(not 1 - clip.low <= math.exp(x) <= 1 + clip.high for x in policy) / n,
        "outside_support": sum(math.isfinite(s) != math.isfinite(o) for s, o, _ in tokens) / len(tokens),
        "ess": sum(r) ** 2 / (len(r) * sum(x * x for x in r)) if r else 1.0,
        "max_abs": max(map(abs, d), default=0.0),
    }


def arrays(tokens):
    sampler, other, prompts = (np.array(column) for column in zip(*tokens, strict=True))
    return sampler.astype(float), other.astype(float), prompts.astype(np.int64)


@given(TOKENS, st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_metric_is_its_definition(tokens, policy_is_other):
    clip = ClipRange(0.2, 0.28)
    found = compare(*arrays(tokens), clip=clip, policy_is_other=policy_is_other).metrics
    for name, value in slow(tokens, clip, policy_is_other=policy_is_other).items():
        measured = getattr(found, name)
        measured = getattr(measured, "value", measured)
        assert measured == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert found.tokens == len(tokens)
    assert found.prompts == len({p for *_, p in tokens})


@given(TOKENS)
@settings(max_examples=100, deadline=None)
def test_order_of_tokens_does_not_matter(tokens):
    one = reduce_tokens(*arrays(tokens), clip=ClipRange(), policy_is_other=True)
    two = reduce_tokens(*arrays(tokens[::-1]), clip=ClipRange(), policy_is_other=True)
    np.testing.assert_allclose(one.sums, two.sums, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_chunks_do_not_change_sums(monkeypatch, chunk):
    generator = np.random.default_rng(3)
    prompts = np.sort(generator.integers(0, 9, 50))
    sampler = -generator.exponential(size=50)
    other = sampler + generator.normal(0, 0.3, 50)
    other[::11] = -np.inf
    whole = reduce_tokens(sampler, other, prompts, clip=ClipRange(), policy_is_other=False)
    monkeypatch.setattr(module, "_CHUNK", chunk)
    parts = reduce_tokens(sampler, other, prompts, clip=ClipRange(), policy_is_other=False)
    np.testing.assert_allclose(parts.sums, whole.sums, rtol=1e-12)
    assert parts.ess == pytest.approx(whole.ess)
    assert (parts.p99_abs, parts.max_abs) == (whole.p99_abs, whole.max_abs)


def test_tokens_outside_support_are_counted_and_in_no_mean():
    inf = math.inf
    sampler = np.array([-1.0, -1.0, -inf, -inf])
    other = np.array([-1.1, -inf, -2.0, -inf])
    found = compare(
        sampler, other, np.zeros(4, dtype=np.int64), clip=ClipRange(), policy_is_other=True
    ).metrics
    assert found.outside_support.value == 0.5
    assert found.tokens == 4
    assert found.mean_abs.value == pytest.approx(0.1)
    assert found.clip_rate.value == 0


def test_clip_rate_uses_the_policy_over_the_behaviour():
    behaviour, policy = np.array([math.log(0.5)]), np.array([math.log(0.5 * 1.22)])
    prompt, clip = np.zeros(1, dtype=np.int64), ClipRange(0.2, 0.2)
    own = compare(behaviour, policy, prompt, clip=clip, policy_is_other=True).metrics  # 1.22, above 1.2
    forced = compare(behaviour, policy, prompt, clip=clip, policy_is_other=False).metrics  # 1 / 1.22, inside
    assert (own.clip_rate.value, forced.clip_rate.value) == (1.0, 0.0)


def test_one_huge_ratio_overflows_nothing_but_its_own_mean():
    sampler = np.array([-1000.0, -1.0, -1.0])
    other = np.array([-1.0, -1.0, -1.0])
    sums = reduce_tokens(sampler, other, np.zeros(3, dtype=np.int64), clip=ClipRange(), policy_is_other=True)
    assert sums.ess == pytest.approx(1 / 3)
    assert sums.max_abs == 999


def test_a_logprob_that_is_not_a_number_is_an_error():
    bad = np.array([np.nan])
    with pytest.raises(EngineError, match="not numbers"):
        reduce_tokens(bad, bad, np.zeros(1, dtype=np.int64), clip=ClipRange(), policy_is_other=True)


def test_misaligned_arrays_are_refused():
    with pytest.raises(ValueError, match="do not align"):
        reduce_tokens(
            np.zeros(2), np.zeros(3), np.zeros(2, dtype=np.int64), clip=ClipRange(), policy_is_other=True
        )
