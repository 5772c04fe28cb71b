"""The audit's reports: which module renders which format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from vllm_migrate.cli.report_output import ReportFormat, write_reports

if TYPE_CHECKING:
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.cli.report_output import Files


def write_audit_reports(result: AuditResult, output_format: ReportFormat, files: Files) -> None:
    """Write every report, then print; an audit without a verdict also says why on stderr, in one line.

    Raises:
        InputError: a file could not be written; the others were.
    """
    message, _, hint = result.message.partition("\nhint: ")
    unjudged = (message, hint) if result.verdict is None else None
    write_reports(partial(render, result), output_format, files, unjudged=unjudged)


def render(result: AuditResult, kind: ReportFormat, *, colour: bool = False) -> str:
    """One report. Each is imported when asked for: rich and the plots take their time."""
    if kind is ReportFormat.JSON:
        from vllm_migrate.report.audit_json import render_json  # noqa: PLC0415 - see above

        return render_json(result)
    if kind is ReportFormat.HTML:
        from vllm_migrate.report.audit_html import render_html  # noqa: PLC0415 - see above

        return render_html(result)
    if kind is ReportFormat.MARKDOWN:
        from vllm_migrate.report.audit_markdown import render_markdown  # noqa: PLC0415 - see above

        return render_markdown(result)
    if kind is ReportFormat.JUNIT:
        from vllm_migrate.report.audit_junit import render_junit  # noqa: PLC0415 - see above

        return render_junit(result)
    from vllm_migrate.report.audit_terminal import render_text  # noqa: PLC0415 - see above

    return render_text(result, colour=colour)
