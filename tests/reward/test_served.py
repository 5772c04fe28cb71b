from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.reward.served import compared

GROUPS = np.repeat(np.arange(10), 4)


def rewards(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=40)


def test_the_same_rewards_turn_no_pair():
    found = compared(rewards(), rewards(), GROUPS)
    assert found.turned.value == 0.0
    assert found.difference == 0.0
    assert 50 <= found.pairs <= 60  # six a prompt, but for those within 0.02 standard deviations
    assert found.texts == 40


def test_a_sigmoid_keeps_the_order_and_moves_the_values():
    found = compared(rewards(), 1 / (1 + np.exp(-rewards())), GROUPS)
    assert found.turned.value == 0.0
    assert found.of_spread > 0.3


def test_a_constant_turns_every_pair():
    found = compared(rewards(), np.ones(40), GROUPS)
    assert found.turned.value == 1.0
    assert found.turned.low == 1.0
    assert compared(np.ones(40), rewards(), GROUPS).of_spread > 0.5


def test_rounding_turns_nothing():
    rounded = rewards().astype(np.float16).astype(np.float64)
    assert compared(rewards(), rounded, GROUPS).turned.value == 0.0


def test_turned_signs_are_counted_within_prompts_only():
    first = np.array([0.0, 1.0, 10.0, 11.0])
    other = np.array([1.0, 0.0, 10.0, 11.0])
    assert compared(first, other, np.array([0, 0, 1, 1])).turned.value == 0.5
    assert compared(first, other, np.array([0, 0, 1, 1])).pairs == 2


def test_one_completion_a_prompt_compares_all():
    found = compared(np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 1.0]), np.arange(3))
    assert found.pairs == 3
    assert found.turned.value == pytest.approx(1 / 3)


def test_texts_that_one_did_not_score_are_left_out():
    first = np.array([0.0, np.nan, 2.0])
    found = compared(first, np.array([0.0, 5.0, 2.0]), np.zeros(3, dtype=np.int64))
    assert found.texts == 2
    assert found.turned.value == 0.0
    assert compared(np.full(3, np.nan), first, np.zeros(3, dtype=np.int64)).texts == 0
