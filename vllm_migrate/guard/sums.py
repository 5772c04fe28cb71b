"""A step reduced to sums, on the device of its arrays.

Every entry is a sum, so that the vectors of several ranks can be added up: no maximum, no mean. Nothing here
asks a device for a value, so that there is no copy to the host but that of the finished vector.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.guard.arrays import Array, Arrays
    from vllm_migrate.guard.inputs import Batch
    from vllm_migrate.objective import ClipRange

LOG_2 = math.log(2.0)
_LARGEST = 30.0  # nats; exp(2 * 30) still fits float32. A ratio of e^30 outweighs any batch by itself.
_ROUNDING, _HALF_ROUNDING = 1e-4, 0.1  # nats above 0 that a logprob may have by rounding; in 16 bits
_UNSURE = -1.0  # nats: a sequence this likely or less can't have rollout logprobs of exactly 0
_SAME = 1e-8  # rewards closer than this are the same; TRL's tolerance


def of_step(ops: Arrays, batch: Batch, clip: ClipRange) -> dict[str, Array]:
    """All sums by name; which there are depends only on what was given."""
    return of_tokens(ops, batch, clip) | of_rows(ops, batch)


def of_rows(ops: Arrays, batch: Batch) -> dict[str, Array]:
    """The sums over rewards and advantages, which need the groups whole."""
    sums: dict[str, Array] = {}
    if batch.rewards is not None:
        sums |= _of_rewards(ops, batch.rewards, "reward")
    if batch.second_rewards is not None:
        sums |= _of_rewards(ops, batch.second_rewards, "second")
    if batch.rewards is not None and batch.groups is not None:
        sums |= _of_reward_groups(ops, batch.rewards, batch.groups)
    if batch.advantages is not None:
        sums |= _of_advantages(ops, batch, batch.advantages)
    return sums


def of_tokens(ops: Arrays, batch: Batch, clip: ClipRange) -> dict[str, Array]:
    """The sums over tokens and sequences, which may be taken of any part of a batch and added up."""
    sums: dict[str, Array] = {"mask_wrong": batch.mask_wrong, "masked": ops.total(batch.mask)}
    sums |= _of_logprobs(ops, batch, clip)
    if batch.entropy is not None:
        sums |= _of_entropy(ops, batch.entropy, batch.mask)
    return sums


def _of_logprobs(ops: Arrays, batch: Batch, clip: ClipRange) -> dict[str, Array]:
    xp, mask, trainer = ops.xp, batch.mask, batch.trainer
    rollout = batch.rollout
    previous = trainer if batch.previous is None else batch.previous
    sound = ops.finite(*(one for one in (trainer, batch.previous, batch.reference) if one is not None))
    valid = mask & sound
    sums = {"logprob_non_finite": ops.total(mask & ~sound)}
    if rollout is not None:
        there = ops.finite(rollout)
        sums["rollout_non_finite"] = ops.total(mask & ~there)
        valid = valid & there
    keep = ops.floats(valid)
    trainer = ops.kept(trainer, keep)
    previous = trainer if batch.previous is None else ops.kept(previous, keep)
    rounding = _HALF_ROUNDING if batch.half_precision else _ROUNDING
    by_row = ops.rows(keep)
    trainer_rows = ops.rows(trainer)
    sums["tokens"] = ops.total(by_row)
    sums["sequences"] = ops.total(by_row > 0)
    sums["trainer"] = ops.total(trainer_rows)
    sums["logprob_above_zero"] = ops.total(xp.amax(trainer, 1) > rounding)
    if batch.reference is not None:
        sums["base"] = sums["trainer"] - ops.total(ops.kept(batch.reference, keep))
    moved = None if batch.previous is None else trainer - previous
    if moved is not None:
        sums["p"], sums["pp"] = ops.total(moved), ops.dot(moved, moved)
        sums |= _clipped(ops, "p", moved, by_row, clip)
    if rollout is None:
        return sums
    rollout = ops.kept(rollout, keep)
    rollout_rows = ops.rows(rollout)
    missing = (rollout_rows == 0) & (trainer_rows < _UNSURE) & (by_row > 0)
    sums["rollout_missing"] = ops.total(missing)
    sums["rollout_above_zero"] = ops.total(xp.amax(rollout, 1) > rounding)
    mismatch = previous - rollout
    sums |= _of_ratio(ops, "q", mismatch, keep, by_row, clip=clip)
    if moved is not None:
        sums["pq"] = ops.dot(moved, mismatch)
        sums |= _of_ratio(ops, "d", trainer - rollout, keep, by_row, clip=clip)
    return sums


def _of_ratio(
    ops: Arrays, name: str, d: Array, keep: Array, by_row: Array, *, clip: ClipRange
) -> dict[str, Array]:
    """Sums of a log ratio d, shape (B, T), which is 0 where `keep` is."""
    xp = ops.xp
    ratio = xp.exp(xp.clip(d, None, _LARGEST)) * keep
    growth = ratio - keep  # added up without the ones, which would drown it
    size = xp.abs(d)
    return {
        name: ops.total(d),
        name * 2: ops.dot(d, d),
        f"{name}_abs": ops.total(size),
        f"{name}_growth": ops.total(growth),
        f"{name}_growth_squares": ops.dot(growth, growth),
        f"{name}_ratio": ops.total(ratio),
        f"{name}_ratio_squares": ops.dot(ratio, ratio),
        f"{name}_tail": ops.total(size > LOG_2),
        **_clipped(ops, name, d, by_row, clip),
    }


def _clipped(ops: Arrays, name: str, d: Array, by_row: Array, clip: ClipRange) -> dict[str, Array]:
    low, high = clip.bounds
    if clip.by_sequence:
        mean = ops.rows(d) / ops.xp.clip(by_row, 1, None)
        return {f"{name}_clipped": ops.total((mean < low) | (mean > high))}
    return {f"{name}_clipped": ops.total(ops.xp.clip(d, low, high) != d)}


def _of_entropy(ops: Arrays, entropy: Array, mask: Array) -> dict[str, Array]:
    xp = ops.xp
    if not entropy.shape:
        known = xp.isfinite(entropy)
        return {
            "entropy": xp.where(known, entropy, xp.zeros_like(entropy)),
            "entropy_of": ops.widened(known),
        }
    known = ops.floats(mask & ops.finite(entropy))
    return {
        "entropy": ops.total(ops.kept(entropy, known)),
        "entropy_of": ops.total(known),
    }


def _of_rewards(ops: Arrays, rewards: Array, name: str) -> dict[str, Array]:
    finite = ops.xp.isfinite(rewards)
    clean = ops.xp.where(finite, rewards, ops.xp.zeros_like(rewards))
    return {
        f"{name}_all": ops.total(ops.xp.ones_like(finite)),
        f"{name}_of": ops.total(finite),
        name: ops.total(clean),
        f"{name}_squares": ops.dot(clean, clean),
    }


def _of_reward_groups(ops: Arrays, rewards: Array, groups: Array) -> dict[str, Array]:
    """How many groups of two or more there are, and in how many all rewards are the same."""
    xp = ops.xp
    order, numbers = ops.groups(groups)
    ordered = rewards[order]
    size = ops.by_group(numbers, xp.ones_like(ordered))
    differ = xp.zeros_like(ordered)
    # What is no number differs from everything: it is counted as non-finite, not as without variance.
    apart = ~(xp.abs(ordered[1:] - ordered[:-1]) <= _SAME)
    differ[1:] = ops.widened(apart & (numbers[1:] == numbers[:-1]))
    alike = ops.by_group(numbers, differ) == 0
    several = size > 1
    return {"groups": ops.total(several), "groups_alike": ops.total(several & alike)}


def _of_advantages(ops: Arrays, batch: Batch, advantages: Array) -> dict[str, Array]:
    xp = ops.xp
    if len(advantages.shape) > 1:
        kept = xp.where(batch.mask, advantages, ops.zero())  # what is not finite is to be counted
        advantages = ops.rows(kept) / xp.clip(ops.rows(batch.mask), 1, None)
    finite = xp.isfinite(advantages)
    clean = xp.where(finite, advantages, xp.zeros_like(advantages))
    sums = {
        "advantage_all": ops.total(xp.ones_like(finite)),
        "advantage_of": ops.total(finite),
        "advantage_abs": ops.total(xp.abs(clean)),
        "advantage_none": ops.total(finite & (clean == 0)),
    }
    if batch.groups is not None:
        order, numbers = ops.groups(batch.groups)
        ordered = clean[order]
        size = ops.by_group(numbers, xp.ones_like(ordered))
        total = ops.by_group(numbers, ordered)
        squares = ops.by_group(numbers, ordered * ordered)
        several = size > 1
        zero = xp.zeros_like(total)
        centre = total * total / xp.clip(size, 1, None)
        sums["centre_squares"] = ops.total(xp.where(several, centre, zero))
        sums["advantage_squares"] = ops.total(xp.where(several, squares, zero))
    return sums
