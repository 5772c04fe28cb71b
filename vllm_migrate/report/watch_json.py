"""The comparison of run logs as JSON: stable keys, valid everywhere, whatever happened.

The keys are the fields of the report's own types; docs/schema/watch.json describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.report.audit_json import as_text, plain_object

if TYPE_CHECKING:
    from vllm_migrate.watch.result import WatchReport

SCHEMA = "vllm-migrate-watch/1"


def render_json(report: WatchReport) -> str:
    """The document, indented, with a newline at its end."""
    return as_text(watch_document(report))


def watch_document(report: WatchReport) -> dict[str, Any]:
    """The document as plain values; `verdict` is null where nothing could be judged."""
    return {"schema": SCHEMA, **plain_object(report)}
