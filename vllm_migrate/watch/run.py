"""A run as it was logged: for each metric, steps and values."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NOT_NUMBERS = {
    "nan": math.nan,
    "inf": math.inf,
    "infinity": math.inf,
    "-inf": -math.inf,
    "-infinity": -math.inf,
}


@dataclass(frozen=True)
class Series:
    """One metric of one run; steps ascend and none stands twice. Values may be NaN or infinite."""

    steps: Floats
    values: Floats


@dataclass(frozen=True)
class Run:
    """One run of one side.

    Attributes:
        name: short, unique on its side.
        source: where it was read from, as given or found.
        kind: of log, in words: "TensorBoard", "Trainer state".
        series: by the name that the run itself uses.
        finished: whether the log says that the run has ended.
        notes: what a reader has to know: lines that could not be read, a resumed run.
    """

    name: str
    source: str
    kind: str
    series: dict[str, Series]
    finished: bool = False
    notes: tuple[str, ...] = ()


@dataclass
class Collector:
    """Points as they come in. 16 bytes each, whatever they were in the log.

    Attributes:
        appended: whether the log is written in the order of time. A step that goes back is then a run that
            was resumed, and what had been logged from that step on is dropped; otherwise the rows are sorted.
        resumed: steps at which the run was resumed.
        twice: points that replaced one of the same step.
    """

    appended: bool = True
    resumed: set[float] = field(default_factory=set)
    twice: int = 0
    _points: dict[str, tuple[array[float], array[float]]] = field(default_factory=dict)

    def add(self, name: str, step: float, value: float) -> None:
        """One point."""
        steps, values = self._points.setdefault(name, (array("d"), array("d")))
        if self.appended and steps and step <= steps[-1]:
            if step < steps[-1]:
                self.resumed.add(step)
            else:
                self.twice += 1
            self._cut(steps, values, step)
        steps.append(step)
        values.append(value)

    def rewind(self, step: float) -> None:
        """Drop every point from a step on: the run was started again there."""
        for steps, values in self._points.values():
            if steps and steps[-1] >= step:
                self.resumed.add(step)
                self._cut(steps, values, step)

    def clear(self) -> None:
        """Forget everything: the file was written anew."""
        self._points.clear()
        self.resumed.clear()
        self.twice = 0

    def series(self) -> dict[str, Series]:
        """What was collected."""
        made = {}
        for name, (steps, values) in self._points.items():
            at, found = np.array(steps, dtype=float), np.array(values, dtype=float)
            if not self.appended:
                order = np.argsort(at, kind="stable")
                at, found = at[order], found[order]
                last = np.append(np.diff(at) > 0, True)
                self.twice += int(at.size - last.sum()) if at.size else 0
                at, found = at[last[: at.size]], found[last[: at.size]]
            made[name] = Series(at, found)
        return made

    def notes(self) -> list[str]:
        """What happened while collecting, in words."""
        made = []
        if self.resumed:
            listed = ", ".join(f"{step:g}" for step in sorted(self.resumed)[:5])
            more = ", ..." if len(self.resumed) > 5 else ""  # noqa: PLR2004 - as many as are listed
            made.append(f"resumed at step {listed}{more}: what had been logged from there on was dropped")
        if self.twice:
            made.append(f"values that stand twice for one step: {self.twice:,}, of which the last ones count")
        return made

    @staticmethod
    def _cut(steps: array[float], values: array[float], step: float) -> None:
        while steps and steps[-1] >= step:
            steps.pop()
            values.pop()


def as_number(value: Any) -> float | None:
    """A logged value as a number; None where it is none. Booleans are none, the words for NaN are."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str):
        return _NOT_NUMBERS.get(value.strip().lower())
    return None
