"""The exact divergence against the definition over the whole vocabulary."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vllm_migrate.audit.figures import top_k
from vllm_migrate.audit.figures.top_k import compare_top


def top(logprobs, count):
    """As an engine lists them: most likely first, tokens without probability included."""
    order = sorted(range(len(logprobs)), key=lambda token: -logprobs[token])[:count]
    return [order], [[float(logprobs[token]) for token in order]]


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum())


def truncate(logprobs, keep):
    """Renormalised over the `keep` most likely tokens, as top-k sampling does."""
    kept = np.full(len(logprobs), -np.inf)
    chosen = np.argsort(-logprobs)[:keep]
    kept[chosen] = logprobs[chosen] - np.log(np.exp(logprobs[chosen]).sum())
    return kept


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, 40)
    return log_softmax(logits), log_softmax(logits + generator.normal(0, 0.2, 40))


def test_the_whole_vocabulary_gives_the_definition(pair):
    p, q = pair
    found = compare_top(*top(p, 40), *top(q, 40))
    assert found.kl[0] == pytest.approx(float(np.exp(p) @ (p - q)), rel=1e-6)
    assert found.entropy_shift[0] == pytest.approx(float(-np.exp(q) @ q + np.exp(p) @ p), rel=1e-6)
    assert found.uncovered[0] == pytest.approx(0, abs=1e-9)


def test_fewer_tokens_give_a_lower_bound_that_is_close(pair):
    p, q = pair
    whole = float(np.exp(p) @ (p - q))
    values = [compare_top(*top(p, k), *top(q, k)) for k in (2, 5, 10, 20)]
    assert all(found.kl[0] <= whole + 1e-9 for found in values)
    assert values[-1].kl[0] == pytest.approx(whole, rel=0.05)
    assert values[0].uncovered[0] > values[-1].uncovered[0] > 0


def test_the_same_cut_on_both_sides_is_exact(pair):
    p, q = pair
    p, q = truncate(p, 5), log_softmax(np.where(np.isfinite(truncate(p, 5)), q, -np.inf))
    kept = np.isfinite(p)
    found = compare_top(*top(p, 10), *top(q, 10))
    assert found.kl[0] == pytest.approx(float(np.exp(p[kept]) @ (p[kept] - q[kept])), rel=1e-6)
    assert (found.lost[0], found.gained[0]) == (0, 0)


def test_probability_outside_the_other_sides_support_is_counted_not_infinite():
    p = np.log([0.7, 0.2, 0.1])
    q = np.array([math.log(0.8), math.log(0.2), -math.inf])
    found = compare_top([[0, 1, 2]], [p.tolist()], [[0, 1, 2]], [q.tolist()])
    given = np.array([0.7, 0.2]) / 0.9
    assert found.lost[0] == pytest.approx(0.1)
    assert found.kl[0] == pytest.approx(float(given @ (np.log(given) - q[:2])))
    back = compare_top([[0, 1, 2]], [q.tolist()], [[0, 1, 2]], [p.tolist()])
    assert back.gained[0] == pytest.approx(0.1)
    assert back.kl[0] == pytest.approx(0.8 * math.log(0.8 / 0.7))


def test_raw_against_processed_is_the_divergence_of_the_two():
    """A candidate that reports raw logprobs: the reference's cut distribution against the whole one."""
    raw = log_softmax(np.array([3.0, 2.0, 1.0, 0.0, -1.0]))
    cut = truncate(raw, 2)
    found = compare_top(*top(cut, 5), *top(raw, 5))
    assert found.kl[0] == pytest.approx(-math.log(np.exp(raw[:2]).sum()), rel=1e-6)


def test_nothing_in_common_is_not_a_number_and_no_position_is_nothing():
    found = compare_top([[0]], [[-0.1]], [[1]], [[-0.1]])
    assert np.isnan(found.kl[0])
    assert len(compare_top([], [], [], []).kl) == 0


def test_many_positions_are_gone_through_in_parts(pair, monkeypatch):
    p, q = pair
    (ids,), (logprobs,) = top(p, 8)
    (other_ids,), (other,) = top(q, 8)
    whole = compare_top([ids] * 9, [logprobs] * 9, [other_ids] * 9, [other] * 9)
    monkeypatch.setattr(top_k, "_AT_ONCE", 2)
    parts = compare_top([ids] * 9, [logprobs] * 9, [other_ids] * 9, [other] * 9)
    np.testing.assert_array_equal(whole.kl, parts.kl)
