"""What was measured of one step, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one step; None where what they need was not given.

    Let p be the policy's movement, trainer - previous, and q the backend mismatch, previous - rollout, for
    each token that the mask keeps; d = p + q is the whole log ratio. Means are over tokens, every token the
    same. Shares are of 1, logprobs and their differences in nats. k1, k2, k3: J. Schulman, "Approximating KL
    divergence", 2020.

    Attributes:
        tokens, sequences: that the mask keeps, and that have any.
        policy_kl: mean p^2 / 2; `policy_k1` mean -p; `policy_clip_rate` share of exp(p) that is clipped.
        mismatch_k2: mean q^2 / 2; `mismatch_k1` mean -q; `mismatch_k3` mean exp(q) - q - 1; `mismatch_abs`
            mean |q|.
        mean_ratio_deviation: mean exp(q) - 1; `mean_ratio_error` its standard error, as if tokens were
            independent.
        total_k2: mean d^2 / 2 = policy_kl + mismatch_k2 + `cross_k2`, the mean of p q.
        total_k3: mean exp(d) - d - 1, PipelineRL's kl_new_old but for its weighting by sequence.
        mismatch_share: mismatch_k2 / (mismatch_k2 + policy_kl); None where the policy has not moved.
        zero_update_clip_rate: share of exp(q) outside the clip range; `clip_rate` of exp(d).
        ess: (sum exp d)^2 / (N sum exp 2d). `tail_f2` share of |d| > log 2; `mismatch_tail_f2` of |q|.
        entropy: as given, or, where none was, the mean of -trainer over the tokens, an estimate of it.
        entropy_ratio: it beside its running mean since the warm-up.
        base_kl: mean of trainer - reference, KL(policy || base).
        reward_mean, reward_sd, second_reward_mean, second_reward_sd: over sequences. `reward_gap`: see
            `trend.py`.
        zero_variance_groups: share of the groups of two or more.
        advantage_abs: mean |A| over sequences. `advantage_zero`, `advantage_off_centre`: see boundaries.toml.
        half_precision: whether any logprobs were given in a 16-bit type.
        movement_known: whether the previous policy's logprobs were given.
    """

    tokens: float
    sequences: float
    policy_kl: float
    policy_k1: float
    policy_clip_rate: float
    clip_rate: float | None = None
    total_k2: float | None = None
    total_k3: float | None = None
    cross_k2: float | None = None
    mismatch_k1: float | None = None
    mismatch_k2: float | None = None
    mismatch_k3: float | None = None
    mismatch_abs: float | None = None
    mismatch_share: float | None = None
    mismatch_tail_f2: float | None = None
    mean_ratio_deviation: float | None = None
    mean_ratio_error: float | None = None
    zero_update_clip_rate: float | None = None
    ess: float | None = None
    tail_f2: float | None = None
    entropy: float | None = None
    entropy_ratio: float | None = None
    base_kl: float | None = None
    weight_lag: float | None = None
    reward_mean: float | None = None
    reward_sd: float | None = None
    second_reward_mean: float | None = None
    second_reward_sd: float | None = None
    reward_gap: float | None = None
    zero_variance_groups: float | None = None
    advantage_abs: float | None = None
    advantage_zero: float | None = None
    advantage_off_centre: float | None = None
    rollout_missing: float = 0.0
    rollout_non_finite: float = 0.0
    rollout_above_zero: float = 0.0
    logprob_non_finite: float = 0.0
    logprob_above_zero: float = 0.0
    reward_non_finite: float | None = None
    advantage_non_finite: float | None = None
    half_precision: bool = False
    movement_known: bool = False
