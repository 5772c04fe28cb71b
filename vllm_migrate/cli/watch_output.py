"""The reports of a comparison of run logs: which module renders which format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from vllm_migrate.cli.report_output import ReportFormat, write_reports

if TYPE_CHECKING:
    from vllm_migrate.cli.report_output import Files
    from vllm_migrate.watch.result import WatchReport


def write_watch_reports(report: WatchReport, output_format: ReportFormat, files: Files) -> None:
    """Write every report, then print; a comparison without a verdict also says why on stderr.

    Raises:
        InputError: a file could not be written; the others were.
    """
    unjudged = (report.message, report.hint) if report.verdict is None else None
    write_reports(partial(render, report), output_format, files, unjudged=unjudged)


def render(report: WatchReport, kind: ReportFormat, *, colour: bool = False) -> str:
    """One report. Each is imported when asked for."""
    if kind is ReportFormat.JSON:
        from vllm_migrate.report.watch_json import render_json  # noqa: PLC0415 - see above

        return render_json(report)
    if kind is ReportFormat.HTML:
        from vllm_migrate.report.watch_html import render_html  # noqa: PLC0415 - see above

        return render_html(report)
    if kind is ReportFormat.MARKDOWN:
        from vllm_migrate.report.watch_markdown import render_markdown  # noqa: PLC0415 - see above

        return render_markdown(report)
    if kind is ReportFormat.JUNIT:
        from vllm_migrate.report.watch_junit import render_junit  # noqa: PLC0415 - see above

        return render_junit(report)
    from vllm_migrate.report.watch_terminal import render_text  # noqa: PLC0415 - see above

    return render_text(report, colour=colour)
