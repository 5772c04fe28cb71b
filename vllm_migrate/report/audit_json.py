"""The audit's result as JSON: stable keys, valid everywhere (no NaN, no Infinity), whatever happened.

The keys are the fields of the result's own types; docs/schema/audit.json describes them.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from enum import Enum
from numbers import Integral
from typing import Any

from vllm_migrate.audit.result import SCHEMA, Arm, AuditResult

PER_TOKEN = ("deltas", "positions", "reference_logprobs")
"""An arm's columns for the plots: they are left to the HTML report."""
COMPARISONS = ("against_reference", "against_trainer", "against_probe")
"""An arm's figures, gathered under `metrics`."""


def render_json(result: AuditResult) -> str:
    """The document, indented, with a newline at its end."""
    return as_text(audit_document(result))


def as_text(document: dict[str, Any]) -> str:
    """A document of plain values, indented, with a newline at its end."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, from a file name that is no UTF-8 for instance
        text = json.dumps(document, indent=2, allow_nan=False)
    return text + "\n"


def audit_document(result: AuditResult) -> dict[str, Any]:
    """The document as plain values. `verdict` is null where the audit could not judge; `reason` says why."""
    return {"schema": SCHEMA, **plain_object(result)}


def plain_object(value: Any) -> dict[str, Any]:
    """A dataclass by its fields; an arm's comparisons one level down."""
    made = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Arm):
        metrics = {name: made.pop(name) for name in COMPARISONS}
        made = {name: entry for name, entry in made.items() if name not in PER_TOKEN} | {"metrics": metrics}
    return {name: _plain(entry) for name, entry in made.items()}


def _plain(value: Any) -> Any:
    """Only what JSON has; whatever is not finite becomes null."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Integral):  # one of numpy's
        return int(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain_object(value)
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry) for entry in value]
    return str(value)
