"""The margins, read from `thresholds.toml`, and how a measured noise floor moves them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from vllm_migrate.errors import FactsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

GATING = ("mean_abs", "mean_ratio_deviation", "k2", "tail_f2", "clip_rate", "outside_support")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One row of the table; see the head of `thresholds.toml`."""

    metric: str
    margin: float
    cap: float
    floor_multiple: float
    source: str
    unit: str = ""

    def against(self, floor: float | None) -> tuple[float, str]:
        """The margin to use given a measured noise floor, and why it is that.

        max(table value, multiple of the floor), but never above the cap: a reference that does not agree with
        itself must not bless everything.
        """
        lifted = 0.0 if floor is None else self.floor_multiple * abs(floor)
        if lifted <= self.margin:
            return self.margin, self.source
        if lifted <= self.cap:
            return lifted, f"{self.floor_multiple:g} times the noise floor measured in this run"
        multiple = f"{self.floor_multiple:g} times the measured noise floor"
        return self.cap, f"the table's cap; {multiple} is above it"


@dataclass(frozen=True, slots=True)
class RewardThreshold:
    """Margin of the reward difference, in the reward's unit or as a share of the reference's deviation."""

    margin: float
    sd_share: float
    source: str

    def against(self, deviation: float) -> float:
        """The margin for rewards whose standard deviation is `deviation`."""
        return max(self.margin, self.sd_share * deviation)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The whole table."""

    version: int
    profile: str
    metrics: Mapping[str, Threshold]
    reward: RewardThreshold


@lru_cache(maxsize=1)
def load_thresholds() -> Thresholds:
    """The shipped table, read once.

    Raises:
        FactsError: a gating metric has no complete row, or a row names no source.
    """
    text = resources.files("vllm_migrate.audit").joinpath("thresholds.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    try:
        metrics = {name: Threshold(metric=name, **table[name]) for name in GATING}
        reward = RewardThreshold(**table["reward"])
        thresholds = Thresholds(table["version"], table["profile"], metrics, reward)
    except (KeyError, TypeError) as bad:
        raise FactsError(f"thresholds.toml: {bad}") from None
    for source in (*(row.source for row in metrics.values()), reward.source):
        if not source:
            raise FactsError("thresholds.toml: a margin without a source")
    return thresholds
