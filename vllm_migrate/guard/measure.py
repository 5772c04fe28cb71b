"""From arrays to figures: the sums of one step, brought to the host once, and what follows from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard import sums as sums_of
from vllm_migrate.guard.inputs import read
from vllm_migrate.guard.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.objective import ClipRange


def measure(
    *,
    clip: ClipRange,
    reduce: Callable[[Any], Any] | None = None,
    weight_lag: float | None = None,
    **given: Any,
) -> Measured:
    """The figures of one step; arguments as in `PolicyGuard.step`.

    Args:
        clip: the user's clip range.
        reduce: given the vector of sums on its device, the sum of all ranks'; None for this rank alone.
        weight_lag: age of the sampling weights, optimizer steps.
        **given: the arrays.

    Raises:
        BoundaryError: shapes that differ, a type that can't be, or a mask that keeps no token.
    """
    ops, batch = read(**given)
    with ops.quiet():
        sums = sums_of.of_step(ops, batch, clip)
        vector = ops.vector(sums)
        values = ops.host(vector if reduce is None else reduce(vector))
    return figures(
        dict(zip(sums, values, strict=True)),
        clip=clip,
        half_precision=batch.half_precision,
        movement_known=batch.previous is not None,
        weight_lag=weight_lag,
    )


def figures(
    found: dict[str, float],
    *,
    clip: ClipRange,
    half_precision: bool,
    movement_known: bool,
    weight_lag: float | None = None,
) -> Measured:
    """The figures that follow from the sums of `sums.of_step`, or of several batches added up.

    Args:
        found: sums by name.
        clip: as the sums were taken with.
        half_precision: whether any logprobs came in a 16-bit type.
        movement_known: whether the previous policy's logprobs were given.
        weight_lag: age of the sampling weights, optimizer steps.

    Raises:
        BoundaryError: a mask that holds anything but 0 and 1, or keeps no token.
    """
    hint = "1 for every token that was sampled and is trained on, else 0"
    if found["mask_wrong"]:
        raise BoundaryError(f"the mask holds {found['mask_wrong']:.0f} values other than 0 and 1", hint=hint)
    if not found["masked"]:
        raise BoundaryError("the mask keeps no token", hint=hint)
    values: dict[str, Any] = {"half_precision": half_precision, "movement_known": movement_known}
    values |= _of_tokens(found, clip)
    values |= _of_reward(found)
    values |= _of_advantage(found)
    if weight_lag is not None:
        values["weight_lag"] = _lag(weight_lag)
    return Measured(**values)


def _lag(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise BoundaryError(
            f"weight_lag must be one number, not {type(value).__name__}", hint="of several, give the largest"
        ) from None


def _of_tokens(s: dict[str, float], clip: ClipRange) -> dict[str, float | None]:
    tokens, masked = s["tokens"], s["masked"]
    n = max(tokens, 1.0)
    sequences = max(s["sequences"], 1.0)
    clippable = sequences if clip.by_sequence else n
    policy_kl = s.get("pp", 0.0) / n / 2
    found: dict[str, float | None] = {
        "tokens": masked,
        "sequences": s["sequences"],
        "policy_kl": policy_kl,
        "policy_k1": -s.get("p", 0.0) / n,
        "policy_clip_rate": s.get("p_clipped", 0.0) / clippable,
        "logprob_non_finite": s["logprob_non_finite"] / masked,
        "logprob_above_zero": s["logprob_above_zero"] / sequences,
        "rollout_missing": s["rollout_missing"] / sequences if "rollout_missing" in s else 1.0,
        "rollout_non_finite": s.get("rollout_non_finite", 0.0) / masked,
        "rollout_above_zero": s.get("rollout_above_zero", 0.0) / sequences,
        "base_kl": s["base"] / n if "base" in s else None,
    }
    if s.get("entropy_of"):
        found["entropy"] = s["entropy"] / s["entropy_of"]
    elif tokens:
        found["entropy"] = -s["trainer"] / n
    if "q" not in s or not tokens:
        return found
    # Without the previous policy's logprobs the whole ratio is the mismatch.
    d = "d" if "d" in s else "q"
    total, mismatch = s[d * 2] / n / 2, s["qq"] / n / 2
    weights, squares = s[f"{d}_ratio"], s[f"{d}_ratio_squares"]
    spread = s["q_growth_squares"] - s["q_growth"] * s["q_growth"] / n
    found |= {
        "clip_rate": s[f"{d}_clipped"] / clippable,
        "total_k2": total,
        "total_k3": (s[f"{d}_growth"] - s[d]) / n,
        "cross_k2": s.get("pq", 0.0) / n,
        "mismatch_k1": -s["q"] / n,
        "mismatch_k2": mismatch,
        "mismatch_k3": (s["q_growth"] - s["q"]) / n,
        "mismatch_abs": s["q_abs"] / n,
        "mismatch_share": mismatch / (mismatch + policy_kl) if policy_kl else None,
        "mismatch_tail_f2": s["q_tail"] / n,
        "mean_ratio_deviation": s["q_growth"] / n,
        "mean_ratio_error": math.sqrt(max(spread, 0.0)) / n,
        "zero_update_clip_rate": s["q_clipped"] / clippable,
        "ess": weights * weights / (n * squares) if squares else 1 / n,
        "tail_f2": s[f"{d}_tail"] / n,
    }
    return found


def _of_reward(s: dict[str, float]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    if "reward" in s:
        found["reward_non_finite"] = 1 - s["reward_of"] / max(s["reward_all"], 1.0)
    for name, figure in (("reward", "reward"), ("second", "second_reward")):
        if s.get(f"{name}_of"):
            mean = s[name] / s[f"{name}_of"]
            variance = s[f"{name}_squares"] / s[f"{name}_of"] - mean * mean
            found[f"{figure}_mean"] = mean
            found[f"{figure}_sd"] = math.sqrt(max(variance, 0.0))
    if s.get("groups"):
        found["zero_variance_groups"] = s["groups_alike"] / s["groups"]
    return found


def _of_advantage(s: dict[str, float]) -> dict[str, float | None]:
    if "advantage_all" not in s:
        return {}
    rows = max(s["advantage_all"], 1.0)
    found: dict[str, float | None] = {
        "advantage_non_finite": 1 - s["advantage_of"] / rows,
        "advantage_abs": s["advantage_abs"] / rows,
        "advantage_zero": s["advantage_none"] / rows,
    }
    if s.get("advantage_squares"):
        found["advantage_off_centre"] = math.sqrt(s["centre_squares"] / s["advantage_squares"])
    return found
