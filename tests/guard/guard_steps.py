"""Steps to give the guard: what tests of this folder share."""

from __future__ import annotations

import numpy as np

SHAPE = (8, 32)


def step(
    *,
    mismatch: float = 0.0,
    movement: float | None = None,
    seed: int = 0,
    shape: tuple[int, int] = SHAPE,
    shift: float = 0.0,
):
    """Arguments of `PolicyGuard.step`: normal backend mismatch and policy movement of those sizes, nats."""
    rng = np.random.default_rng(seed)
    rollout = -2.0 - rng.exponential(size=shape)
    previous = rollout + mismatch * rng.standard_normal(shape) + shift
    given = {"trainer_logprobs": previous, "rollout_logprobs": rollout, "mask": np.ones(shape, dtype=bool)}
    if movement is not None:
        given["previous_logprobs"] = previous
        given["trainer_logprobs"] = previous + movement * rng.standard_normal(shape)
    return given


def grouped(rewards: list[float], size: int):
    """Rewards, groups of that size, and advantages centred in them."""
    values = np.array(rewards, dtype=float)
    by_group = values.reshape(-1, size)
    centred = (by_group - by_group.mean(axis=1, keepdims=True)).reshape(-1)
    return {
        "rewards": values,
        "groups": np.repeat(np.arange(len(by_group)), size),
        "advantages": centred,
    }
