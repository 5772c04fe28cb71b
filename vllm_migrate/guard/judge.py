"""Which boundaries a step has crossed, and what that asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.guard.causes import likely
from vllm_migrate.guard.decision import Crossing, Decision
from vllm_migrate.guard.stages import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vllm_migrate.guard.boundaries import Boundaries, Boundary
    from vllm_migrate.guard.measured import Measured

InARow = tuple[int, int]
"""Steps in a row beyond the warning, and beyond the stop."""


def judge(
    boundaries: Iterable[Boundary], measured: Measured, in_a_row: Mapping[str, InARow], *, warming_up: bool
) -> tuple[tuple[Crossing, ...], dict[str, InARow]]:
    """The crossings in the order of a step, and the counts after it.

    A figure that this step does not have leaves its boundary's count as it is: it was not within bounds, and
    not beyond them.
    """
    counts = dict(in_a_row)
    crossings = []
    for boundary in sorted(boundaries, key=lambda one: one.stage.rank):
        value = getattr(measured, boundary.of)
        if value is None:
            continue
        asked = (boundary.broken or not warming_up) and _is_asked(boundary, measured)
        warned, stopped = counts.get(boundary.name, (0, 0))
        beyond_stop = asked and boundary.beyond(value, boundary.stop)
        beyond_warn = asked and (beyond_stop or boundary.beyond(value, boundary.warn))
        warned = warned + 1 if beyond_warn else 0
        stopped = stopped + 1 if beyond_stop else 0
        counts[boundary.name] = (warned, stopped)
        if beyond_warn:
            crossings.append(_crossing(boundary, measured, value, warned, stopped))
    return tuple(crossings), counts


def _is_asked(boundary: Boundary, measured: Measured) -> bool:
    if boundary.only_above is None:
        return True
    other, least = boundary.only_above
    value = getattr(measured, other)
    return value is not None and not value <= least


def _crossing(boundary: Boundary, measured: Measured, value: float, warned: int, stopped: int) -> Crossing:
    limit = boundary.stop if stopped else boundary.warn
    if limit is None:
        raise AssertionError(f"{boundary.name} was crossed without a limit")
    acts = stopped >= boundary.patience
    if boundary.action is Action.CONTINUE:
        action = Action.CONTINUE
    else:
        action = boundary.action if acts else Action.WARN
    side = "away from 0 by more than" if boundary.direction == "either" else boundary.direction
    kind = "stop" if stopped else "warning"
    patience = (
        f", {stopped} of {boundary.patience} steps in a row" if stopped and boundary.patience > 1 else ""
    )
    cause = likely(boundary.name, measured)
    message = f"{boundary.name} {value:.3g} is {side} {limit:g} ({kind}{patience})" + (
        f": {cause}" if cause else ""
    )
    return Crossing(boundary.name, boundary.stage, value, limit, action, stopped or warned, message)


def decide(
    boundaries: Boundaries, measured: Measured, crossings: tuple[Crossing, ...], step: int
) -> Decision:
    """The decision that these crossings add up to."""
    action = max((one.action for one in crossings), key=lambda one: one.rank, default=Action.CONTINUE)
    return Decision(
        action=action,
        step=step,
        stage=crossings[0].stage if crossings else None,
        crossings=crossings,
        measured=measured,
        save_first=action is Action.STOP and boundaries.save_first,
        message=_message(action, crossings, step),
    )


def _message(action: Action, crossings: tuple[Crossing, ...], step: int) -> str:
    """One line: the first stage that left its bounds; then, where another crossing decides, that one."""
    if not crossings:
        return ""
    first = crossings[0]
    line = (
        f"step {step}: {action.value}: first out of bounds is the {first.stage.value} stage: {first.message}"
    )
    deciding = next(one for one in crossings if one.action is action)
    if deciding is not first:
        line += f"; what decides is the {deciding.stage.value} stage: {deciding.message}"
    others = [one.boundary for one in crossings if one is not first and one is not deciding]
    return line + (f"; also {', '.join(others)}" if others else "")
