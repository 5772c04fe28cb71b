from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.shift.judge import reward_shift


def shift(reference, candidate, samples=4):
    prompts = np.repeat(np.arange(len(reference) // samples), samples).tolist()
    return reward_shift(list(reference), prompts, list(candidate), prompts, function="f")


def test_equal_rewards_pass():
    rewards = np.tile([0.0, 1.0, 1.0, 0.0], 32)
    found = shift(rewards, rewards)
    assert found.verdict is Verdict.PASS
    assert found.difference.value == 0
    assert found.margin == pytest.approx(0.025)  # 5% of a standard deviation of one half


def test_a_clear_drop_fails():
    generator = np.random.default_rng(0)
    found = shift(generator.random(256) < 0.8, generator.random(256) < 0.4)
    assert found.verdict is Verdict.FAIL
    assert found.difference.high < -found.margin


def test_sampling_noise_alone_is_inconclusive_and_says_what_it_could_have_seen():
    generator = np.random.default_rng(0)
    found = shift(generator.random(64) < 0.5, generator.random(64) < 0.5)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.smallest_detectable > found.margin


def test_too_few_prompts_conclude_nothing():
    assert shift(np.zeros(16), np.ones(16)).verdict is Verdict.INCONCLUSIVE


def test_prompts_are_paired_whatever_their_order():
    reference, prompts = [0.0, 1.0] * 10, list(range(20))
    found = reward_shift(reference, prompts, reference[::-1], prompts[::-1], function="f")
    assert found.difference.value == 0
    assert found.difference.high == 0
