"""What an audit cost here, kept in the cache so that `audit --plan` can tell the time of the next one."""

from __future__ import annotations

import json
import math
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.audit.evidence import CANDIDATE, REMEDY
from vllm_migrate.engines.paths import cache_root

if TYPE_CHECKING:
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.result import AuditResult

_WORKING = (".sample", ".replay")


@dataclass(frozen=True, slots=True)
class Costs:
    """One audit's.

    Attributes:
        deviation: standard deviation between prompts of mean |d|, nats: the remedy's, else the candidate's.
        length: mean tokens of a completion.
        per_token: wall seconds of sampling and replaying in all arms, for each token of the reference.
        start: the other wall seconds.
    """

    deviation: float
    length: float
    per_token: float
    start: float


def costs_of(plan: AuditPlan, result: AuditResult) -> Costs | None:
    """The costs of a finished audit; None where it measured too little to tell."""
    measured = {arm.name: arm.against_reference for arm in result.arms if arm.against_reference is not None}
    # The remedy varies as an equivalent engine does; a candidate that differs varies far more.
    metrics = measured.get(REMEDY, measured.get(CANDIDATE))
    if metrics is None or metrics.mean_abs.low is None or metrics.mean_abs.high is None or not metrics.tokens:
        return None
    error = (metrics.mean_abs.high - metrics.mean_abs.low) / (2 * 1.96)
    working = sum(seconds for stage, seconds in result.timing.items() if stage.endswith(_WORKING))
    total = result.timing.get("total", 0.0)
    # Arms run two at a time, so their seconds add up to more than the wall clock's.
    share = min(1.0, working / max(sum(v for k, v in result.timing.items() if "." in k), 1e-9))
    return Costs(
        deviation=error * math.sqrt(metrics.prompts),
        length=metrics.tokens / max(1, metrics.prompts * plan.samples),
        per_token=total * share / metrics.tokens,
        start=total * (1 - share),
    )


def remember(plan: AuditPlan, result: AuditResult) -> None:
    """Keep an audit's costs. A cache that can't be written costs an estimate, never an audit.

    Those of several looks are not kept: their engines are started again for each.
    """
    if plan.extend:
        return
    costs = costs_of(plan, result)
    if costs is None:
        return
    path = _path()
    known = _read(path)
    known[_key(plan)] = asdict(costs)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(known, stream, indent=1)
        Path(temporary).replace(path)


def recall(plan: AuditPlan) -> Costs | None:
    """The costs of the last audit of this model with these engines, None where there is none."""
    try:
        return Costs(**{name: float(value) for name, value in _read(_path())[_key(plan)].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _path() -> Path:
    return cache_root() / "audit-costs.json"


def _key(plan: AuditPlan) -> str:
    reference = "recorded" if plan.reference is not None else plan.v0
    return f"{plan.model.absolute()} {reference} {plan.v1}"


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
