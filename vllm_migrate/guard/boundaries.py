"""The boundaries, read from `boundaries.toml`, and the user's own figures in place of them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard.stages import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOG = "log"
ACTIONS = (LOG, *(action.value for action in Action if action is not Action.CONTINUE))
DIRECTIONS = ("above", "below", "either")
_LIMITS = ("warn", "stop")
_SET = (*_LIMITS, "patience", "action")


@dataclass(frozen=True, slots=True)
class Boundary:
    """One row of the table; see the head of `boundaries.toml`.

    Attributes:
        name: as in the table, in `[tool.vllm-migrate.guard]` and in `Crossing.boundary`.
        of: the field of `Measured` that is bounded.
        warn, stop: None where there is no such limit; a boundary with neither is measured and never crossed.
        action: what is done after `patience` steps in a row beyond `stop`; CONTINUE only logs it.
        only_above: figure and value it must exceed before this boundary is asked, None for always.
    """

    name: str
    stage: Stage
    of: str
    direction: str
    warn: float | None
    stop: float | None
    patience: int
    action: Action
    unit: str
    what: str
    source: str
    broken: bool = False
    only_above: tuple[str, float] | None = None

    def beyond(self, value: float, limit: float | None) -> bool:
        """Whether a figure has crossed a limit; on it, it has not. What is no number is beyond any."""
        if limit is None:
            return False
        if self.direction == "above":
            return not value <= limit
        if self.direction == "below":
            return not value >= limit
        return not abs(value) <= limit


@dataclass(frozen=True, slots=True)
class Boundaries:
    """All boundaries in the order in which they are looked at, and what holds for all of them.

    Attributes:
        rows: by name.
        warm_up: steps at the start in which only broken data count.
        save_first: whether a decision to stop asks for a checkpoint first.
        version: of the table.
    """

    rows: Mapping[str, Boundary]
    warm_up: int = 0
    save_first: bool = True
    version: int = field(default=0, compare=False)

    @staticmethod
    def default() -> Boundaries:
        """The shipped boundaries."""
        return _shipped()

    def __iter__(self) -> Iterator[Boundary]:
        return iter(self.rows.values())

    def __getitem__(self, name: str) -> Boundary:
        """The boundary of that name.

        Raises:
            BoundaryError: there is none.
        """
        found = self.rows.get(name.replace("-", "_"))
        if found is None:
            names = list(self.rows)
            hint = did_you_mean(name.replace("-", "_"), names, otherwise=f"boundaries: {', '.join(names)}")
            raise BoundaryError(f"there is no boundary {name!r}", hint=hint)
        return found

    def with_(self, name: str, **settings: Any) -> Boundaries:
        """The same with other settings of one boundary.

        Args:
            name: of the boundary.
            settings: any of `warn` and `stop` (a number, or None for no such limit), `patience` (steps) and
                `action` ("log", "warn", "skip_batch", "stop", or an `Action`).

        Raises:
            BoundaryError: no such boundary or setting, or a value that can't be.
        """
        old = self[name]
        changed: dict[str, Any] = {key: _checked(old, key, value) for key, value in settings.items()}
        new = replace(old, **changed)
        if changed.keys() & set(_LIMITS):
            new = replace(new, source=f"set by the user; shipped: {old.source}")
        _in_order(new)
        return replace(self, rows={**self.rows, old.name: new})

    def without(self, *names: str) -> Boundaries:
        """The same with some boundaries switched off; their figures are still measured.

        Raises:
            BoundaryError: there is no such boundary.
        """
        found = self
        for name in names:
            found = found.with_(name, warn=None, stop=None)
        return found


def _checked(boundary: Boundary, key: str, value: object) -> object:
    name = boundary.name
    if key not in _SET:
        raise BoundaryError(
            f"boundary {name!r} has no setting {key!r}",
            hint=did_you_mean(key, _SET, otherwise=f"settings: {', '.join(_SET)}"),
        )
    if key == "action":
        if value in (LOG, Action.CONTINUE):
            return Action.CONTINUE
        if value not in ACTIONS:
            raise BoundaryError(f"{name}.action must be one of {', '.join(ACTIONS)}, not {value!r}")
        return Action(value)
    if key == "patience":
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BoundaryError(f"{name}.patience must be a number of steps, 1 or more, not {value!r}")
        return value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise BoundaryError(f"{name}.{key} must be a number, not {value!r}")
    return float(value)


def _in_order(boundary: Boundary) -> None:
    if boundary.warn is None or boundary.stop is None:
        return
    if boundary.beyond(boundary.warn, boundary.stop):
        raise BoundaryError(
            f"{boundary.name}: the warning at {boundary.warn:g} lies beyond the stop at {boundary.stop:g}",
            hint="set both, or switch the warning off",
        )


@lru_cache(maxsize=1)
def _shipped() -> Boundaries:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - tomli stands in for it below 3.11
    else:
        import tomli as tomllib  # noqa: PLC0415 - see above
    text = resources.files("vllm_migrate.guard").joinpath("boundaries.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    version = table.pop("version")
    return Boundaries({name: _row(name, row) for name, row in table.items()}, version=version)


def _row(name: str, row: dict[str, Any]) -> Boundary:
    only_above = row.pop("only_above", None)
    if row["direction"] not in DIRECTIONS:
        raise BoundaryError(f"boundaries.toml: {name}.direction is not one of {', '.join(DIRECTIONS)}")
    return Boundary(
        name=name,
        stage=Stage(row.pop("stage")),
        of=row.pop("of", name),
        warn=row.pop("warn", None),
        stop=row.pop("stop", None),
        action=Action(row.pop("action", "stop")),
        only_above=next(iter(only_above.items())) if only_above else None,
        **row,
    )
