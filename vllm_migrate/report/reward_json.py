"""The report on a reward as JSON: stable keys, valid everywhere, whatever happened.

The keys are the fields of the report's own types; docs/schema/reward.json describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.report.audit_json import as_text, plain_object

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import RewardReport

SCHEMA = "vllm-migrate-reward/1"


def render_json(report: RewardReport) -> str:
    """The document, indented, with a newline at its end."""
    return as_text(reward_document(report))


def reward_document(report: RewardReport) -> dict[str, Any]:
    """The document as plain values; `verdict` is null where nothing could be examined."""
    return {"schema": SCHEMA, **plain_object(report)}
