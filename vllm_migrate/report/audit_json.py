"""The audit's result as JSON: stable keys, valid everywhere (no NaN, no Infinity), whatever happened."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.result import SCHEMA, Arm, AuditResult, Estimate, Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping


def render_json(result: AuditResult) -> str:
    """The document, indented, with a newline at its end. Per-token columns are left to the HTML report."""
    return json.dumps(audit_document(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def audit_document(result: AuditResult) -> dict[str, Any]:
    """The document as plain values. `verdict` is null where the audit could not judge; `reason` says why."""
    document = {
        "schema": SCHEMA,
        "verdict": result.verdict,
        "reason": result.reason,
        "message": result.message,
        "cause": result.cause,
        "cause_evidence": result.cause_evidence,
        "settings": result.settings,
        "remedy": None
        if result.remedy is None
        else {"settings": result.remedy.settings, "verdict": result.remedy.verdict},
        "reward": None if result.reward is None else asdict(result.reward),
        "arms": [_arm(arm) for arm in result.arms],
        "timing": result.timing,
        "model": result.model,
        "sampling": result.sampling,
        "clip_range": result.clip_range,
        "prompts": result.prompts,
        "smallest_detectable": result.smallest_detectable,
        "diagnostics": [asdict(figure) for figure in result.diagnostics],
        "bands": [asdict(band) for band in result.bands],
        "forest": [asdict(prompt) for prompt in result.forest],
        "ladder": None if result.ladder is None else asdict(result.ladder),
        "invariants": [asdict(invariant) for invariant in result.invariants],
        "sync": [asdict(case) for case in result.sync],
        "speed": [asdict(option) for option in result.speed],
        "advice": [asdict(piece) for piece in result.advice],
        "assumptions": result.assumptions,
        "code": None if result.code is None else asdict(result.code),
        "warnings": result.warnings,
        "tool": result.tool,
        "created": result.created,
    }
    plain = _plain(document)
    assert isinstance(plain, dict)  # noqa: S101 - for the type checker
    return plain


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name,
        "engine": arm.engine,
        "engine_class": arm.engine_class,
        "runner": arm.runner,
        "version": arm.version,
        "verdict": arm.verdict,
        "settings": arm.settings,
        "metrics": {
            "against_reference": _metrics(arm.against_reference),
            "against_trainer": _metrics(arm.against_trainer),
            "against_probe": _metrics(arm.against_probe),
        },
        "checks": [asdict(check) for check in arm.checks],
        "worst": [asdict(token) for token in arm.worst],
        "note": arm.note,
    }


def _metrics(metrics: Metrics | None) -> dict[str, Any] | None:
    """Estimates as {"value", "low", "high"}; the rest as numbers."""
    if metrics is None:
        return None
    values = {field.name: getattr(metrics, field.name) for field in fields(metrics)}
    return {name: asdict(value) if isinstance(value, Estimate) else value for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Only what JSON has; whatever is not finite becomes null."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry) for entry in value]
    return str(value)


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): _plain(entry) for key, entry in value.items()}
