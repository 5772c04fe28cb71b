"""The callback that asks the guard before `optimizer.step`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def make_callback(
    before_update: Callable[[Any], None],
    after_update: Callable[[], None],
    saved: Callable[[Any, Any], None],
) -> Any:
    """A transformers TrainerCallback.

    Args:
        before_update: called with the trainer's control after the gradients have been clipped and before the
            optimizer's step.
        after_update: called at the end of the optimizer step.
        saved: called with the trainer's arguments and state once a checkpoint has been written.
    """
    from transformers import TrainerCallback  # noqa: PLC0415 - only where there is a trainer is it there

    class GuardCallback(TrainerCallback):  # type: ignore[misc]  # transformers may be absent
        """Asks before every update."""

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """After gradient clipping, before the optimizer's step."""
            del args, state, kwargs
            before_update(control)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """After the optimizer's step."""
            del args, state, control, kwargs
            after_update()

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """After a checkpoint."""
            del control, kwargs
            saved(args, state)

    return GuardCallback()
