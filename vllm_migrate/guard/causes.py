"""What is likely behind a boundary that was crossed: from the other figures of the same step, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.guard.measured import Measured

AUDIT = "run `vllm-migrate audit`"
_STEEP = (
    0.1  # a slope this far from 1 is no rounding: at mismatch k2 0.02 and unit spread, noise alone gives 0.04
)
_EXPLAINS = 0.5  # of mean q^2, the straight line's part
_HALF = 0.5

_PLAIN = {
    "rollout_non_finite": "the engine returned no number for tokens it sampled, or they were padded with NaN",
    "rollout_above_zero": "no logprobs, but probabilities, logits or negatives",
    "logprob_non_finite": "the model's own forward pass gave NaN or infinity, or its mask forbids a token",
    "logprob_above_zero": "these are no logprobs: probabilities, logits or losses were passed",
    "reward_non_finite": "the reward function returned no number",
    "zero_variance_groups": "these prompts are too easy, too hard, or their reward is constant",
    "reward_gap": "the policy learns what the reward pays for, not what the second verifier sees: "
    "run `vllm-migrate reward`",
    "advantage_non_finite": "a reward was no number, or a standard deviation of 0 was divided by",
    "advantage_zero": "no reward differs from its baseline: this batch teaches nothing",
    "advantage_off_centre": "advantages are not centred in the groups given here: groups are split or mixed "
    "up, or the estimator isn't relative to a group",
    "entropy_collapse": "the policy has become nearly deterministic: one answer earns every reward, or the "
    "learning rate is high",
    "entropy_rise": "the policy turns to noise: a high learning rate, or updates from wrong logprobs",
    "base_kl": "the policy has used up the budget you set for its distance from the base model",
    "weight_lag": "rollouts wait too long, or a weight update did not reach the engine",
}


def likely(boundary: str, m: Measured) -> str:
    """The sentence for one boundary, without a full stop at its end; "" where there is nothing to say."""
    if boundary == "rollout_missing":
        if m.mismatch_k2 is None and not m.rollout_non_finite:
            return "no rollout logprobs were given: ask the engine for them (logprobs=0)"
        return "positions without a logprob were filled with 0"
    if boundary in {"mean_ratio_deviation", "mismatch_k2", "mismatch_share", "zero_update_clip_rate"}:
        return _backend(m)
    if boundary in {"ess", "tail_f2", "clip_rate"}:
        return _whole_ratio(m)
    if boundary == "policy_kl":
        return (
            "the policy itself moved this far from the weights that sampled: a high learning rate, many "
            "updates on one batch, or a few huge advantages"
        )
    return _PLAIN.get(boundary, "")


def _backend(m: Measured) -> str:
    unsplit = (
        ""
        if m.movement_known
        else " (unless this is the first update on these samples, give previous_logprobs to tell them apart)"
    )
    stale = (
        f"; the sampling weights were {m.weight_lag:g} steps old, which adds to it" if m.weight_lag else ""
    )
    return f"{_of_backend(m)}{stale}{unsplit}"


def _of_backend(m: Measured) -> str:
    if m.slope is not None and abs(m.slope - 1) > _STEEP and (m.slope_share or 0.0) > _EXPLAINS:
        return (
            f"the trainer's logprobs lie on a line of slope {m.slope:.2f} over the engine's, as where the "
            "engine returns them raw, before temperature: set logprobs_mode=processed_logprobs"
        )
    if m.half_precision:
        return (
            "logprobs came in a 16-bit type, whose rounding alone may be this large: compute them in float32"
        )
    deviation = m.mean_ratio_deviation or 0.0
    if deviation < -0.02 and (m.mismatch_k1 or 0.0) > 0:  # noqa: PLR2004 - twice the warning: no rounding
        return (
            f"the backend, not the policy: a mean ratio of {1 + deviation:.3f} is what top-p, top-k or min-p "
            f"leave where the engine's logprobs are of the kept tokens and the trainer's of all; else {AUDIT}"
        )
    return f"the backend, not the policy: engine and trainer disagree about the same weights; {AUDIT}"


def _whole_ratio(m: Measured) -> str:
    if m.mismatch_k2 is None:
        return ""
    both = m.mismatch_k2 + m.policy_kl
    share = m.mismatch_k2 / both if both else 1.0
    if share > _HALF:
        return f"{share:.0%} of it is the backend's: {_backend(m)}"
    return f"{1 - share:.0%} of it is the policy's own movement: make fewer or smaller updates on one batch"
