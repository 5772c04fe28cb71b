"""The report on a reward as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import RewardReport

SCHEMA = "vllm-migrate-reward/1"


def render_json(report: RewardReport) -> str:
    """One object; figures that are no numbers are null."""
    document = {"schema": SCHEMA, **_plain(asdict(report))}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
