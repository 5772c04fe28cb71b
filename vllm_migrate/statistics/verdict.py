"""Three verdicts, and a figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """PASS needs equivalence shown, FAIL a difference beyond the margin shown; otherwise INCONCLUSIVE."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval, clustered by prompt; `low` and `high` are None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None
