"""Keeping an update from happening, after the gradients are there and before the optimizer's step."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def drop_gradients(trainer: Any) -> None:
    """Take all gradients away, so that the step that follows changes nothing.

    torch's optimizers, and those made after them, pass over a parameter whose gradient is None: no momentum,
    no weight decay, no count of steps. A gradient of zeros would apply all three.
    """
    optimizer = trainer.optimizer
    if getattr(optimizer, "scaler", None) is not None:
        # A gradient scaler (fp16) insists on having seen gradients; where they were clipped, it has.
        with suppress(RuntimeError):
            trainer.accelerator.unscale_gradients(optimizer)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
