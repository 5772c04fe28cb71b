"""Which ratios an objective clips, and its usual ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vllm_migrate.audit.decide.judge import Gate, below_noise, compare, judge
from vllm_migrate.audit.figures import metrics
from vllm_migrate.errors import UsageError
from vllm_migrate.objective import DEFAULTS, ClipRange, clip_range


@pytest.mark.parametrize("objective", DEFAULTS)
def test_usual_ranges(objective):
    assert (clip_range(objective).low, clip_range(objective).high) == DEFAULTS[objective]


def test_one_side_given_sets_both_as_in_trainers():
    assert clip_range("grpo", 0.1) == ClipRange(0.1, 0.1, "grpo")
    assert clip_range("grpo", 0.1, 0.3) == ClipRange(0.1, 0.3, "grpo")
    assert clip_range("cispo", None, 3.0) == ClipRange(1.0, 3.0, "cispo")


@pytest.mark.parametrize(
    ("objective", "low", "high"),
    [("pppo", None, None), ("ppo", 0.0, None), ("ppo", 2.0, None), ("ppo", 0.2, -1)],
)
def test_what_can_not_be_is_refused(objective, low, high):
    with pytest.raises(UsageError):
        clip_range(objective, low, high)


def measured(d, clip, *, sequences=None):
    d = np.asarray(d, dtype=float)
    return compare(
        np.zeros(len(d)),
        d,
        np.zeros(len(d), dtype=np.int64),
        clip=clip,
        policy_is_other=True,
        sequences=None if sequences is None else np.asarray(sequences),
    ).metrics.clip_rate.value


def test_cispo_and_reinforce_clip_the_upper_side_only():
    d = [math.log(6), math.log(1.5), -5.0]
    assert measured(d, clip_range("cispo")) == pytest.approx(1 / 3)
    assert measured(d, clip_range("reinforce")) == pytest.approx(2 / 3)
    assert measured(d, clip_range("ppo")) == 1.0


def test_gspo_clips_whole_sequences_by_their_mean():
    clip = clip_range("gspo")
    far, near = [0.01, -0.01, 0.002], [0.01, -0.01, 0.0]  # means 6.7e-4 and 0
    assert measured([*far, *near], clip, sequences=[0, 0, 0, 1, 1, 1]) == 0.5
    assert measured([*near, *near], clip, sequences=[0, 0, 0, 1, 1, 1]) == 0.0
    assert measured([*far, -np.inf, -np.inf], clip, sequences=[0, 0, 0, 1, 1]) == 1.0


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_sequences_may_lie_across_blocks(monkeypatch, chunk):
    generator = np.random.default_rng(0)
    d = generator.normal(0, 0.002, 60)
    of = np.repeat(np.arange(12), 5)
    whole = measured(d, clip_range("gspo"), sequences=of)
    monkeypatch.setattr(metrics, "_CHUNK", chunk)
    assert measured(d, clip_range("gspo"), sequences=of) == whole
    assert 0 < whole < 1


def test_a_sequence_objective_needs_sequences():
    with pytest.raises(ValueError, match="needs to know them"):
        measured([0.0], clip_range("gspo"))


def test_a_range_below_the_noise_is_reported_and_does_not_gate():
    prompts = np.repeat(np.arange(16), 200)
    of = np.repeat(np.arange(64), 50)

    def one(seed):
        d = np.random.default_rng(seed).normal(0, 0.01, 3200)
        return compare(
            np.zeros(3200),
            d,
            prompts,
            clip=clip_range("gspo"),
            policy_is_other=True,
            sequences=of,
        )

    gate = Gate("reference", one(1), (one(2).metrics,))
    assert below_noise([gate]) > 0.5
    _, checks = judge([gate])
    assert "clip_rate" not in {check.metric for check in checks}
    assert below_noise([Gate("reference", one(1), ())]) is None
