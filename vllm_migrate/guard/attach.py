"""The guard in TRL's GRPOTrainer, in one call.

    attached = attach(trainer)
    trainer.train()

It decides before every `optimizer.step`, over all micro batches of the step and all processes. What it
measures is logged under `guard/` to whatever the trainer logs to. While no boundary is crossed, the training
is the same to the last bit as without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.guard.policy_guard import PolicyGuard
from vllm_migrate.guard.project import project_boundaries
from vllm_migrate.guard.trl import layout
from vllm_migrate.guard.trl.attached import LOG, Attached
from vllm_migrate.guard.trl.clip import OF_CLIPPING, clip_of, clips
from vllm_migrate.guard.trl.rewards import column_of

if TYPE_CHECKING:
    from vllm_migrate.guard.boundaries import Boundaries


def attach(
    trainer: Any,
    boundaries: Boundaries | None = None,
    *,
    warm_up: int | None = None,
    held_out: str | None = None,
    raise_on_stop: bool = True,
) -> Attached:
    """Put a guard into a GRPOTrainer of TRL 1.0 or newer, before `trainer.train()`.

    Args:
        trainer: the trainer. Its `epsilon`, `loss_type` and `importance_sampling_level` give the clip range.
        boundaries: None for the shipped ones with what the project's `[tool.vllm-migrate.guard]` says.
        warm_up: steps at the start in which only broken data count; None for what `boundaries` say.
        held_out: name of one of the trainer's reward functions whose weight in `reward_weights` is 0: the
            second verifier, measured and not trained on.
        raise_on_stop: whether `trainer.train()` raises `TrainingStopped` after a stop. The training ends in
            the ordinary way first: callbacks run, logs are written, and the checkpoint is saved where the
            boundaries ask for that. False: `train()` returns, and `Attached.stopped` holds the decision.

    Returns:
        The attached guard; its `detach()` restores the trainer.

    Raises:
        UsageError: this trainer is none that the guard can be attached to, has one already, or `held_out`
            names no function that is held out. One line says which.
        ConfigError: the project's table is wrong.
    """
    found = layout.require(trainer)
    column = column_of(trainer, held_out)
    boundaries = project_boundaries() if boundaries is None else boundaries
    if not trainer.use_vllm and getattr(trainer, "rollout_func", None) is None:
        # transformers' generate returns no logprobs: that they are missing is no fault here. It is said.
        boundaries = boundaries.without("rollout_missing")
    if not clips(trainer):
        boundaries = boundaries.without(*OF_CLIPPING)
    guard = PolicyGuard(boundaries, clip=clip_of(trainer), warm_up=warm_up)
    if not found.known:
        LOG.info("TRL %s is newer than this guard has been tried with; its layout fits", found.trl)
    return Attached(trainer, guard, found, held_out=column, raise_on_stop=raise_on_stop)
