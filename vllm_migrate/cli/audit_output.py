"""The audit's reports, and what is said where there is no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.cli.report_output import write_reports

if TYPE_CHECKING:
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.cli.report_output import Files, ReportFormat


def write_audit_reports(result: AuditResult, output_format: ReportFormat, files: Files) -> None:
    """Write every report, then print; an audit without a verdict also says why on stderr, in one line.

    Raises:
        InputError: a file could not be written; the others were.
    """
    message, _, hint = result.message.partition("\nhint: ")
    unjudged = (message, hint) if result.verdict is None else None
    write_reports("audit", result, output_format, files, unjudged=unjudged)
