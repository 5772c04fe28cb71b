"""Signatures on numbers made here, where the cause is known, and where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vllm_migrate.audit.cause.signatures import Tokens, hints, lattice_hint, on_bf16_lattice, tokens_of
from vllm_migrate.audit.cause.steps import to_bf16
from vllm_migrate.audit.result import Cause
from vllm_migrate.trace.model import Prompt, Rollout
from vllm_migrate.workers.protocol import SamplingSettings

COUNT = 2000


@pytest.fixture
def tokens():
    """Two equal sides: 20 prompts of 100 tokens, every second token a repeated one."""
    logprobs = -np.random.default_rng(0).exponential(size=COUNT)
    return Tokens(
        logprobs,
        logprobs.copy(),
        np.repeat(np.arange(20), 100),
        np.tile(np.arange(100), 20),
        np.arange(COUNT) % 2 == 0,
    )


def moved(tokens, by):
    return dataclasses.replace(tokens, candidate=tokens.reference + by)


def causes(tokens, **sampling):
    return [hint.cause for hint in hints(tokens, SamplingSettings(**sampling))]


def test_equal_sides_say_nothing(tokens):
    assert causes(tokens, temperature=0.7, top_p=0.9, repetition_penalty=1.1) == []


def test_noise_says_nothing(tokens):
    noise = np.random.default_rng(1).normal(0, 0.01, COUNT)
    assert causes(moved(tokens, noise), temperature=0.7, top_p=0.9, repetition_penalty=1.1) == []
    assert causes(moved(tokens, noise), temperature=1.0, top_p=0.9) == []


def test_raw_logprobs_show_as_a_slope_of_the_temperature(tokens):
    raw = dataclasses.replace(tokens, candidate=0.7 * tokens.reference - 0.1)
    (hint,) = hints(raw, SamplingSettings(temperature=0.7))
    assert hint.cause is Cause.RAW_LOGPROBS
    assert "slope 0.700" in hint.words


def test_logprobs_not_divided_by_the_kept_mass_are_all_too_low(tokens):
    mass = np.random.default_rng(1).uniform(0.9, 1.0, COUNT)
    assert causes(moved(tokens, np.log(mass)), temperature=1.0, top_p=0.9) == [Cause.RAW_LOGPROBS]


def test_a_penalty_on_one_side_moves_tokens_that_occurred_before(tokens):
    shift = np.where(tokens.repeated, 0.3, 0.001)
    assert causes(moved(tokens, shift), temperature=1.0, repetition_penalty=1.2) == [Cause.PENALTIES]
    assert causes(moved(tokens, shift), temperature=1.0) == []


def test_what_grows_along_the_completion_points_at_the_cache(tokens):
    noise = np.random.default_rng(1).normal(0, 1, COUNT) * (0.001 + tokens.positions * 1e-4)
    assert causes(moved(tokens, noise)) == [Cause.ATTENTION]


def test_tokens_without_support_are_left_out(tokens):
    tokens.candidate[::3] = -np.inf
    assert causes(tokens, temperature=0.7) == []


def test_repeated_tokens_are_those_of_prompt_and_completion():
    prompts = (Prompt(0, "", (5, 6)),)
    rollouts = (Rollout(0, 0, (5, 7, 7, 8), (-1.0,) * 4),)
    found = tokens_of(prompts, rollouts, -np.ones(4), -np.ones(4))
    assert found.repeated.tolist() == [True, False, True, False]
    assert found.positions.tolist() == [0, 1, 2, 3]


def top(*, bf16, temperature=1.0):
    """Logprobs of the most likely tokens over 200 positions."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(200):
        logits = sorted(generator.normal(6, 2, 20), reverse=True)
        logits = np.array([to_bf16(value) for value in logits] if bf16 else logits) / temperature
        logprobs = logits - np.log(np.exp(logits).sum())
        rows.append(list(np.float32(logprobs).astype(float)))
    return rows


def test_logits_of_a_bf16_head_lie_on_its_lattice():
    assert on_bf16_lattice(top(bf16=True)) > 0.95
    assert on_bf16_lattice(top(bf16=False)) < 0.05
    assert on_bf16_lattice(top(bf16=True, temperature=0.75), temperature=0.75) > 0.95
    assert np.isnan(on_bf16_lattice([]))


def test_heads_of_different_precision_are_told_apart():
    bf16, fp32 = top(bf16=True, temperature=0.7), top(bf16=False, temperature=0.7)
    hint = lattice_hint(bf16, fp32, temperature=0.7)
    assert hint.cause is Cause.HEAD_PRECISION
    assert "reference" in hint.words
    assert lattice_hint(bf16, bf16, temperature=0.7) is None
    assert lattice_hint([], fp32, temperature=0.7) is None
