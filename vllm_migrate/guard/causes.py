"""What is likely behind a boundary that was crossed: from the other figures of the same step, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.guard.measured import Measured

AUDIT = "run `vllm-migrate audit`"
_NO_ROUNDING, _ERRORS = 0.02, 3.0  # of the mean ratio: twice its warning; in standard errors
_RAW = 1.5  # see _of_backend
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
    """The two faults that the mean ratio E[exp q] tells apart; tokens are drawn from mu, which samples.

    Where the engine reports mu, E[exp q] is the trainer's mass on what mu can draw: 1, or less where top-p
    and the like cut something off. Where the tokens fit the trainer's logprobs instead and the engine reports
    another distribution, it is 1 + chi^2, about 1 + 2 k2. Rounding of what is reported gives 1 + k2 at most.
    Above 1 it is as well where mu is wider than the trainer's truncation, at a higher temperature say, and
    the caller masks the tokens that the trainer could not have drawn.
    Between the two lies the factor of 1.5.
    """
    deviation, k2 = m.mean_ratio_deviation or 0.0, m.mismatch_k2 or 0.0
    plain = abs(deviation) > max(_NO_ROUNDING, _ERRORS * (m.mean_ratio_error or 0.0))
    if plain and deviation > _RAW * k2:
        return (
            f"the tokens fit the trainer's logprobs, not the engine's (mean ratio {1 + deviation:.3f}): "
            "it returns them raw, before temperature and penalties, which logprobs_mode=processed_logprobs "
            f"mends, or it samples at other settings than the trainer assumes; {AUDIT}"
        )
    if m.half_precision:
        return (
            "logprobs came in a 16-bit type, whose rounding alone may be this large: compute them in float32"
        )
    if plain and deviation < 0:
        return (
            f"the backend, not the policy: a mean ratio of {1 + deviation:.3f} is what top-p, top-k or min-p "
            f"leave where the engine's logprobs are of the kept tokens and the trainer's of all; else {AUDIT}"
        )
    return f"the backend, not the policy: the engine computes otherwise, or holds older weights; {AUDIT}"


def _whole_ratio(m: Measured) -> str:
    if m.mismatch_k2 is None:
        return ""
    both = m.mismatch_k2 + m.policy_kl
    share = m.mismatch_k2 / both if both else 1.0
    if share > _HALF:
        return f"{share:.0%} of it is the backend's, not the policy's: {AUDIT}"
    return f"{1 - share:.0%} of it is the policy's own movement: make fewer or smaller updates on one batch"
