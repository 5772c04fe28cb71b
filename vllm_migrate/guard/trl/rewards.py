"""Rewards and advantages of one generation batch: the only place where TRL's groups are whole.

`_calculate_rewards` returns the rewards of all processes, one column a reward function, completions of one
prompt side by side. After that TRL shuffles the batch and splits it into micro batches, so that an optimizer
step may see two completions of a group of eight. So rewards and advantages are judged once for each
generation batch, at the first optimizer step that uses it.
"""

from __future__ import annotations

from typing import Any

from vllm_migrate.errors import UsageError


def column_of(trainer: Any, held_out: str | None) -> int | None:
    """The column of the held-out reward function.

    Raises:
        UsageError: there is no function of that name, or it is trained on.
    """
    if held_out is None:
        return None
    names = list(trainer.reward_func_names)
    if held_out not in names:
        raise UsageError(
            f"held_out={held_out!r} is none of the trainer's reward functions",
            hint=f"they are {', '.join(names)}",
        )
    column = names.index(held_out)
    weight = float(trainer.reward_weights[column])
    if weight != 0:
        raise UsageError(
            f"{held_out} is trained on: its reward weight is {weight:g}",
            hint="set its weight in reward_weights to 0, so that it is measured only",
        )
    return column


def total(trainer: Any, per_function: Any) -> Any:
    """The weighted sum that TRL trains on, shape (N,), from (N, functions).

    A function may return None (NaN here) where it does not apply. A completion that none applies to has no
    reward: NaN.
    """
    torch = _torch()
    weights = trainer.reward_weights.to(per_function.device)
    used = weights != 0
    nothing = (torch.isnan(per_function) | ~used).all(dim=1)
    summed = (per_function * weights).nansum(dim=1)
    return torch.where(nothing, torch.full_like(summed, float("nan")), summed)


def groups(trainer: Any, count: int, device: Any) -> Any:
    """The number of each completion's prompt, shape (N,)."""
    return _torch().arange(count, device=device) // int(trainer.num_generations)


def _torch() -> Any:
    import torch  # noqa: PLC0415 - the trainer has loaded it; whoever only sets boundaries needs none of it

    return torch
