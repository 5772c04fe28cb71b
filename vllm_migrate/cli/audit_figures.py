"""The options of `audit` about figures: margins, looks, and the plan that runs nothing."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.audit.decide.thresholds import DEFAULT_PROFILE, Thresholds, load_thresholds, override
from vllm_migrate.config import load_config
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.config import Config

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def configured() -> Config:
    """The configuration that governs the working directory."""
    return load_config(Path())


def thresholds_for(profile: str | None, config: Config) -> Thresholds:
    """The margins: `--profile`, else the configuration's, and the configuration's own figures on top.

    Raises:
        UsageError: no such profile.
        ConfigError: a figure that can't be.
    """
    table = load_thresholds(profile or config.audit.profile or DEFAULT_PROFILE)
    if not config.audit.thresholds:
        return table
    return override(
        table, config.audit.thresholds, config.origin.name if config.origin else "the configuration"
    )


def seconds_of(text: str | None) -> float | None:
    """A duration such as 600, 90s, 10m or 2h in seconds.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    matched = _DURATION.fullmatch(text.strip())
    if not matched:
        raise UsageError(f"--time-budget {text!r} is no duration", hint="such as 90s, 10m or 2h")
    return float(matched[1]) * _SECONDS[matched[2] or "s"]


def with_looks(
    plan: AuditPlan, *, extend: bool, time_budget: str | None, most_samples: int | None = None
) -> AuditPlan:
    """The plan, looked at several times where asked for.

    Raises:
        UsageError: a time budget without anything to spend it on, or none at all; samples likewise.
    """
    if most_samples is not None:
        if not extend:
            raise UsageError("--most-samples goes with --extend-until-decided")
        if plan.reference is not None:
            raise UsageError(
                "--most-samples needs an engine: a recorded --reference can't be sampled further"
            )
        if most_samples <= plan.samples:
            raise UsageError(f"--most-samples must be more than --samples, which is {plan.samples}")
    seconds = seconds_of(time_budget)
    if seconds is not None and not extend:
        raise UsageError("--time-budget goes with --extend-until-decided")
    return replace(plan, extend=extend, time_budget=seconds, most_samples=most_samples or 0)


def print_plan(plan: AuditPlan, *, detect: float, detect_reward: float) -> None:
    """Say what a resolution needs; nothing is started.

    Raises:
        UsageError: a resolution that can't be.
    """
    from vllm_migrate.audit.decide.costs import recall  # noqa: PLC0415 - only --plan needs it
    from vllm_migrate.audit.decide.power import describe, needed  # noqa: PLC0415 - same

    if detect <= 0 or detect_reward <= 0:
        raise UsageError("--detect and --detect-reward must be above 0")
    reward = detect_reward if plan.reward is not None else None
    found = needed(
        detect=detect,
        reward=reward,
        samples=plan.samples,
        max_tokens=plan.sampling.max_tokens,
        thresholds=plan.thresholds,
        costs=recall(plan),
    )
    sys.stdout.write(describe(found, detect=detect, reward=reward))
    if plan.prompts and len(plan.prompts) < found.prompts:
        sys.stdout.write(f"\n--prompts brings {len(plan.prompts)}, which is too few for that.\n")
