"""The margins, read from `thresholds.toml`, and how a measured noise floor moves them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import ConfigError, FactsError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GATING = ("mean_abs", "mean_ratio_deviation", "k1", "k2", "tail_f2", "clip_rate", "outside_support")
PROFILES = ("strict-bitwise", "bf16", "fp8", "moe")
DEFAULT_PROFILE = "bf16"
FIELDS = ("margin", "cap", "floor_multiple", "unseen")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One row of the table; see the head of `thresholds.toml`."""

    metric: str
    margin: float
    cap: float
    floor_multiple: float
    source: str
    unit: str = ""
    unseen: float = 0.0

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
class Watch:
    """From where a diagnostic deserves a look: beyond `low` or `high`, None for a side without a limit."""

    low: float | None
    high: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The whole table under one profile."""

    version: int
    profile: str
    metrics: Mapping[str, Threshold]
    reward: RewardThreshold
    diagnostics: Mapping[str, Watch] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("thresholds.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=len(PROFILES))
def load_thresholds(profile: str = DEFAULT_PROFILE) -> Thresholds:
    """The shipped table under a profile, read once.

    Raises:
        UsageError: no such profile.
        FactsError: a gating metric has no complete row, or a row names no source.
    """
    if profile not in PROFILES:
        raise UsageError(
            f"--profile {profile!r} is not one of {', '.join(PROFILES)}", hint=did_you_mean(profile, PROFILES)
        )
    table = _table()
    try:
        rows = {name: {**table[name], **table["profiles"][profile].get(name, {})} for name in GATING}
        metrics = {name: Threshold(metric=name, **row) for name, row in rows.items()}
        reward = RewardThreshold(**table["reward"])
        diagnostics = {
            name: Watch(row.get("low"), row.get("high"), row["source"])
            for name, row in table["diagnostics"].items()
        }
        thresholds = Thresholds(table["version"], profile, metrics, reward, diagnostics)
    except (KeyError, TypeError) as bad:
        raise FactsError(f"thresholds.toml: {bad}") from None
    for source in (
        *(row.source for row in metrics.values()),
        *(row.source for row in diagnostics.values()),
        reward.source,
    ):
        if not source:
            raise FactsError("thresholds.toml: a margin without a source")
    return thresholds


def override(thresholds: Thresholds, given: Mapping[str, Any], where: str) -> Thresholds:
    """The table with the user's own figures, each marked with where it comes from.

    Args:
        thresholds: the table.
        given: per gating metric (or "reward") a margin, or a table of `margin`, `cap`, `floor_multiple`
            and `unseen` (`margin` and `sd_share` for the reward). A margin above the cap lifts the cap.
        where: how the checks name the source, such as "pyproject.toml".

    Raises:
        ConfigError: an unknown name, or a value that is no positive number.
    """
    metrics, reward = dict(thresholds.metrics), thresholds.reward
    for name, value in given.items():
        key = name.replace("-", "_")
        if key == "reward":
            allowed = ("margin", "sd_share")
            figures = _figures(key, value, allowed, where)
            reward = RewardThreshold(
                figures.get("margin", reward.margin),
                figures.get("sd_share", reward.sd_share),
                f"set in {where}",
            )
        elif key in metrics:
            figures = _figures(key, value, FIELDS, where)
            row = metrics[key]
            margin = figures.get("margin", row.margin)
            metrics[key] = replace(
                row,
                margin=margin,
                cap=figures.get("cap", max(row.cap, margin)),
                floor_multiple=figures.get("floor_multiple", row.floor_multiple),
                unseen=figures.get("unseen", row.unseen),
                source=f"set in {where}",
            )
        else:
            raise ConfigError(
                f"{where}: audit.thresholds.{name} is no gating metric",
                hint=did_you_mean(key, (*metrics, "reward"), otherwise=f"they are {', '.join(metrics)}"),
            )
    return replace(thresholds, metrics=metrics, reward=reward)


def _figures(metric: str, value: object, allowed: Sequence[str], where: str) -> dict[str, float]:
    given = value if isinstance(value, dict) else {"margin": value}
    figures: dict[str, float] = {}
    for name, figure in given.items():
        key = str(name).replace("-", "_")
        if key not in allowed:
            raise ConfigError(
                f"{where}: unknown key 'audit.thresholds.{metric}.{name}'",
                hint=did_you_mean(key, allowed, otherwise=f"they are {', '.join(allowed)}"),
            )
        if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not 0 <= figure < math.inf:
            raise ConfigError(f"{where}: audit.thresholds.{metric}.{name} must be a number, 0 or more")
        figures[key] = float(figure)
    return figures
