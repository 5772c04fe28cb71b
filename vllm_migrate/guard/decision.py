"""What the guard decided about one step, and why."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from vllm_migrate.errors import TrainingStopped
from vllm_migrate.guard.stages import Action, Stage

if TYPE_CHECKING:
    from vllm_migrate.guard.measured import Measured

PREFIX = "guard/"


@dataclass(frozen=True, slots=True)
class Crossing:
    """One boundary that a step has crossed.

    Attributes:
        boundary: its name, as in boundaries.toml.
        value: what was measured; `limit` what it has crossed, the stop where it has crossed that one.
        action: what this crossing alone asks for. CONTINUE: it is only logged.
        steps_in_a_row: steps beyond that limit up to this one.
        message: one line with the figure, the limit and the likely cause.
    """

    boundary: str
    stage: Stage
    value: float
    limit: float
    action: Action
    steps_in_a_row: int
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a step.

    Attributes:
        action: the most that any crossing asks for.
        step: its number.
        stage: the first stage, in the order of a step, that left its bounds; None where none did.
        crossings: in that order.
        measured: every figure.
        save_first: whether a checkpoint is to be saved before the training stops. The decision falls before
            the update, so the weights are still those of the step before.
        message: one line; empty where nothing was crossed.
    """

    action: Action
    step: int
    stage: Stage | None
    crossings: tuple[Crossing, ...]
    measured: Measured
    save_first: bool
    message: str

    @property
    def stopped(self) -> bool:
        """Whether the training is to stop."""
        return self.action is Action.STOP

    def raise_if_stopped(self) -> None:
        """For a loop of one's own.

        Raises:
            TrainingStopped: the training is to stop; its message is this decision's.
        """
        if self.stopped:
            raise TrainingStopped(self.message, hint="save a checkpoint first" if self.save_first else "")

    def metrics(self) -> dict[str, float]:
        """What to log: `guard/policy_kl` and so on, `guard/action` (0 continue to 3 stop)."""
        found = {
            f"{PREFIX}{field.name}": float(value)
            for field in fields(self.measured)
            if (value := getattr(self.measured, field.name)) is not None and not isinstance(value, bool)
        }
        found[f"{PREFIX}action"] = float(self.action.rank)
        found[f"{PREFIX}crossings"] = float(len(self.crossings))
        return found
