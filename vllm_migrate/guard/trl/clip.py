"""The trainer's own clip range, so that the guard counts what the loss would clip."""

from __future__ import annotations

from typing import Any

from vllm_migrate.objective import CISPO, GRPO, GSPO, ClipRange

_CLIPPED = frozenset({"grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo"})
"""Loss types of TRL that clip the ratio; the others (sapo, vespo) weigh it by a smooth function."""

OF_CLIPPING = ("zero_update_clip_rate", "clip_rate")
"""Boundaries that mean nothing where nothing is clipped."""


def clips(trainer: Any) -> bool:
    """Whether the trainer's loss has a clip range."""
    return trainer.loss_type in _CLIPPED


def clip_of(trainer: Any) -> ClipRange:
    """The clip range of `epsilon` and `epsilon_high`, by sequence where the ratio is one of whole sequences.

    TRL's `epsilon_high` for CISPO is the cap itself, 1 + high. Where the loss clips nothing, GRPO's default.
    """
    if not clips(trainer):
        return ClipRange(objective=GRPO)
    low, high = float(trainer.epsilon_low), float(trainer.epsilon_high)
    if trainer.loss_type == CISPO:
        return ClipRange(1.0, high - 1.0, CISPO)
    return ClipRange(low, high, GSPO if trainer.importance_sampling_level == "sequence" else GRPO)
