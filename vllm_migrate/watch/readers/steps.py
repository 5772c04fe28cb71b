"""Rows of logs: which of their fields is the step, and which are metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.watch.run import as_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.watch.run import Collector

STEPS = (
    "train/global_step",
    "trainer/global_step",
    "training/global_step",
    "global_step",
    "train/step",
    "rollout/step",
    "train_step",
    "training_step",
    "current_steps",
    "step",
    "Step",
    "_step",
    "iteration",
    "iter",
    "update",
)
"""Names of the step, the first that a row has. The trainer's own count comes before the logger's `_step`,
which also counts what is logged between."""
_COUNTED_OF = "global_step/max_steps"
_WRAPPED = ("data", "metrics")
_NO_METRICS = {
    "epoch",
    "train/epoch",
    "timestamp",
    "_timestamp",
    "_runtime",
    "_wandb",
    "total_flos",
    "wall_time",
}


def step_of(row: Mapping[str, Any], asked: str = "") -> tuple[str, float] | None:
    """The name and value of a row's step; None where it has none.

    Args:
        row: flat.
        asked: the only name to look for, where one was given.
    """
    for name in (asked,) if asked else STEPS:
        value = row.get(name)
        found = as_number(value)
        if found is None and isinstance(value, str):
            try:
                found = float(value)
            except ValueError:
                found = None
        if found is not None and found == found and abs(found) != float("inf"):  # noqa: PLR0124 - NaN is no step
            return name, found
    counted = row.get(_COUNTED_OF)
    if not asked and isinstance(counted, str) and counted.partition("/")[0].isdigit():
        return _COUNTED_OF, float(counted.partition("/")[0])
    return None


def flat(row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """A row without nesting: inner names follow outer ones after a slash; `data` and `metrics` only wrap."""
    made: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < 4:  # noqa: PLR2004 - metrics are not nested deeper
            made |= flat(value, prefix if key in _WRAPPED else f"{name}/", depth + 1)
        else:
            made[name] = value
    return made


def add_row(collector: Collector, row: Mapping[str, Any], asked: str = "", *, count: int = 0) -> bool:
    """Add a row's numbers to a collector.

    Args:
        collector: where to.
        row: flat.
        asked: name of the step, where one was given.
        count: the row's number, the step of rows that have none; 0 leaves such rows out.

    Returns:
        Whether the row had a step.
    """
    found = step_of(row, asked)
    if found is None and not count:
        return False
    name, step = found or ("", float(count))
    for key, value in row.items():
        if key != name and key not in STEPS and key not in _NO_METRICS and not key.startswith("_"):
            number = as_number(value)
            if number is not None:
                collector.add(key, step, number)
    return found is not None
