"""What a step optimises and what it logs, as pure functions of tensors.

Shapes: B sequences, T tokens of the longest. Logprobs in nats, under the distribution the engine samples from
(temperature, top-k, top-p). `mask` is true where a token was sampled. The metrics are those of PipelineRL's
`rl_step`: means over sequences of each sequence's token mean, with d = new - old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

GRPO, GSPO = "grpo", "gspo"


def group_advantages(rewards: Tensor, group: int) -> Tensor:
    """Rewards `(B,)` less their group's mean, over its standard deviation; groups are `group` neighbours."""
    grouped = rewards.view(-1, group)
    spread = grouped.std(1, keepdim=True)
    return ((grouped - grouped.mean(1, keepdim=True)) / (spread + 1e-4)).flatten()


def by_sequence(values: Tensor, mask: Tensor) -> Tensor:
    """Token means `(B,)` of `(B, T)`; 0 for a sequence without tokens."""
    return torch.where(mask, values, 0.0).sum(1) / mask.sum(1).clamp(min=1)


def log_ratio(new: Tensor, old: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The log ratio d = new - old, 0 where either gives no probability; and the mask of the others."""
    shared = mask & new.isfinite() & old.isfinite()
    return torch.where(shared, new, 0.0) - torch.where(shared, old, 0.0), shared


def policy_loss(
    new: Tensor, old: Tensor, mask: Tensor, advantages: Tensor, *, objective: str, clip: tuple[float, float]
) -> Tensor:
    """The clipped objective to minimise.

    GRPO (arXiv 2402.03300): a token's ratio, clipped; mean over sequences of token means. GSPO (arXiv
    2507.18071): one ratio a sequence, exp of its mean d. The behaviour policy `old` is what the engine
    reported: no correction stands between the engine's logprobs and the loss, as in PipelineRL.

    Args:
        new: the trainer's logprobs, with gradient, `(B, T)`.
        old: the engine's.
        mask: sampled tokens.
        advantages: `(B,)`.
        objective: `GRPO` or `GSPO`.
        clip: how far below and above 1 a ratio may lie.
    """
    d, shared = log_ratio(new, old, mask)
    low, high = 1 - clip[0], 1 + clip[1]
    if objective == GSPO:
        ratio = by_sequence(d, shared).exp()
        return -torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages).mean()
    ratio = d.exp()
    gain = torch.minimum(ratio * advantages[:, None], ratio.clamp(low, high) * advantages[:, None])
    return -by_sequence(gain, shared).mean()


def metrics(
    new: Tensor, old: Tensor, mask: Tensor, *, objective: str, clip: tuple[float, float]
) -> dict[str, float]:
    """PipelineRL's figures of a batch, and k2, the effective sample size, and what only one side supports.

    `clip_rate` counts ratios outside the range, whatever the advantage's sign: tokens for GRPO, sequences for
    GSPO.
    `ess` is (sum r)^2 / (N sum r^2) over tokens.
    """
    d, shared = log_ratio(new, old, mask)
    ratio = d.exp()
    low, high = 1 - clip[0], 1 + clip[1]
    if objective == GSPO:
        of_sequence = by_sequence(d, shared).exp()
        clipped = ((of_sequence < low) | (of_sequence > high)).float().mean()
    else:
        clipped = by_sequence(((ratio < low) | (ratio > high)).float(), shared).mean()
    present = ratio[shared]
    figures: dict[str, Any] = {
        "clip_rate": clipped,
        "kl_new_old": by_sequence(ratio - 1 - d, shared).mean(),
        "k2": by_sequence(d.square() / 2, shared).mean(),
        "ratio": by_sequence(ratio, shared).mean(),
        "mean_abs": by_sequence(d.abs(), shared).mean(),
        "ess": present.sum().square() / (present.numel() * present.square().sum()).clamp(min=1e-30),
        "outside_support": (mask & ~shared).sum() / mask.sum().clamp(min=1),
    }
    return {name: float(value) for name, value in figures.items()}
