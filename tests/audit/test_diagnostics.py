"""Diagnostics, bands and prompts against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vllm_migrate.audit.decide.statistics import benjamini_hochberg
from vllm_migrate.audit.decide.thresholds import load_thresholds
from vllm_migrate.audit.figures.bands import measure_bands, measure_prompts
from vllm_migrate.audit.figures.diagnostics import (
    conclude_diagnostics,
    of_rollouts,
    of_tokens,
    of_top,
    top_of,
)
from vllm_migrate.trace.model import Rollout
from vllm_migrate.workers.protocol import ReplayRecord

LIMITS = load_thresholds().diagnostics


def data(noise=0.01, *, shift=0.0, prompts=20, tokens=100):
    generator = np.random.default_rng(0)
    sampler = -generator.exponential(size=prompts * tokens)
    other = sampler + shift + generator.normal(0, noise, prompts * tokens)
    return sampler, other, np.repeat(np.arange(prompts), tokens)


def by_name(measured):
    return {figure.metric: figure for figure in measured}


def test_figures_of_tokens_are_their_definitions():
    sampler, other, prompts = data(0.1)
    found = by_name(of_tokens(sampler, other, prompts))
    d = other - sampler
    r = np.exp(d)
    expected = {
        "mult_prob_error": np.exp(np.abs(d)).mean(),
        "ess": r.sum() ** 2 / (len(r) * (r**2).sum()),
        "perplexity_ratio": math.exp(-other.mean() + sampler.mean()),
        "probability_correlation": np.corrcoef(np.exp(sampler), np.exp(other))[0, 1],
        "confident_disagreement": 0.0,
    }
    for name, value in expected.items():
        assert found[name].estimate.value == pytest.approx(value, rel=1e-9), name
    low, high = found["ess"].estimate.low, found["ess"].estimate.high
    assert low < expected["ess"] < high


def test_confident_disagreement_counts_tokens_lost_altogether():
    sampler, other, prompts = data()
    confident = np.flatnonzero(sampler > -0.6)
    other[confident[0]] = -np.inf
    other[confident[1]] = sampler[confident[1]] - 2.5
    found = by_name(of_tokens(sampler, other, prompts))
    assert found["confident_disagreement"].estimate.value == pytest.approx(2 / len(sampler))


def test_only_what_lies_beyond_its_limit_is_notable():
    calm = conclude_diagnostics(of_tokens(*data(0.001)), LIMITS)
    loud = conclude_diagnostics(of_tokens(*data(0.01, shift=-0.3)), LIMITS)
    assert not any(figure.notable for figure in calm)
    notable = {figure.metric for figure in loud if figure.notable}
    assert {"perplexity_ratio", "mult_prob_error"} <= notable
    assert all(figure.source and figure.warn is not None for figure in loud)


def test_benjamini_hochberg_is_the_published_example():
    """Table 1 of Benjamini and Hochberg (1995): four of fifteen at 5%."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.324,
        0.4262,
        0.5719,
        0.6528,
    ]
    p += [0.759, 1.0]
    found = benjamini_hochberg({str(i): value for i, value in enumerate(p)}, 0.05)
    assert found == {"0", "1", "2", "3"}
    assert benjamini_hochberg({}, 0.05) == set()


def rollout(prompt, sample, tokens, finish, **more):
    return Rollout(prompt, sample, tuple(range(tokens)), (-1.0,) * tokens, "", finish, **more)


def test_lengths_and_ends_are_paired_by_prompt():
    before = [rollout(p, s, 10 + p, "stop") for p in range(10) for s in range(2)]
    after = [rollout(p, s, 11 + p, "length" if s else "stop") for p in range(10) for s in range(2)]
    found = by_name(of_rollouts(before, after))
    assert found["length_shift"].estimate.value == pytest.approx(1 / 14.5)
    assert found["finish_length_shift"].estimate.value == pytest.approx(0.5)
    assert of_rollouts(before, []) == []


def test_the_most_likely_tokens_are_compared_where_both_sides_have_them():
    top = (math.log(0.6), math.log(0.4))
    other = [math.log(0.5), math.log(0.5)]
    listed = {"top_ids": ((0, 1),) * 3, "top_logprobs": (top,) * 3}
    rollouts = [rollout(p, s, 3, "stop", **(listed if s == 0 else {})) for p in range(9) for s in range(2)]
    records = [
        ReplayRecord(
            [-1.0] * 3, [], [0, 1, 2], [[1, 0]] * 3 if r.top_ids else [], [other] * 3 if r.top_ids else []
        )
        for r in rollouts
    ]
    compared, prompts = top_of(rollouts, records)
    assert prompts.tolist() == [p for p in range(9) for _ in range(3)]
    found = by_name(of_top(compared, prompts))
    kl = 0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5)
    assert found["top_k_kl"].estimate.value == pytest.approx(kl)
    entropy = math.log(2) + 0.6 * math.log(0.6) + 0.4 * math.log(0.4)
    assert found["entropy_shift"].estimate.value == pytest.approx(entropy)
    assert "27 positions" in found["top_k_kl"].note


def test_bands_partition_the_tokens_both_sides_support():
    sampler, other, prompts = data(0.05)
    other[5] = -np.inf
    bands = measure_bands(sampler, other, prompts, [50] * 40)
    for by in ("position", "probability", "length"):
        assert sum(band.tokens for band in bands if band.by == by) == len(sampler) - 1
    position = [band for band in bands if band.by == "position"]
    assert [band.label for band in position] == ["0 to 15", "16 to 63"]
    inside = np.tile(np.arange(50) < 16, 40) & np.isfinite(other)
    d = (other - sampler)[inside]
    assert position[0].mean_abs.value == pytest.approx(np.abs(d).mean())
    assert position[0].k2.value == pytest.approx((d**2 / 2).mean())
    assert position[0].mean_abs.low < position[0].mean_abs.value < position[0].mean_abs.high


def test_prompts_have_intervals_over_their_samples():
    sampler, other, _ = data(0.01, shift=0.05)
    shifts = measure_prompts(sampler, other, [p for p in range(10) for _ in range(4)], [50] * 40)
    assert [shift.prompt for shift in shifts] == list(range(10))
    assert all(shift.estimate.low < shift.estimate.value < shift.estimate.high for shift in shifts)
    first = (other - sampler)[:200].mean()
    assert shifts[0].estimate.value == pytest.approx(first)
    alone = measure_prompts(sampler[:50], other[:50], [3], [50])
    assert (alone[0].prompt, alone[0].estimate.low) == (3, None)


def test_nothing_is_measured_of_nothing():
    empty = np.zeros(0)
    assert of_tokens(empty, empty, np.zeros(0, dtype=np.int64)) == []
    assert measure_bands(empty, empty, np.zeros(0, dtype=np.int64), []) == ()
    assert measure_prompts(empty, empty, [], []) == ()
