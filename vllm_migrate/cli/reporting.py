"""What `check` and `rewrite` share: showing a scan, the exit code, and JSON even when the run fails."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vllm_migrate.cli.options import Format
from vllm_migrate.errors import ExitCode, VllmMigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vllm_migrate.cli.output import Output
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.rules.scan import ScanResult


@contextmanager
def json_on_error(output: Output, output_format: Format) -> Iterator[None]:
    """Write the JSON result also when the run ends in an error or is interrupted; the error then goes on."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if output_format is Format.JSON:
            from vllm_migrate.report.json_report import error_json  # noqa: PLC0415 - loaded for what is shown

            output.result(error_json(*_told(error)))
        raise


def _told(error: BaseException) -> tuple[str, str]:
    """The stable slug for an error, and its message."""
    if isinstance(error, VllmMigrateError):
        return error.reason, error.message
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "interrupted"
    return "unexpected", f"{type(error).__name__}: {error}"


def show_scan(result: ScanResult, output: Output, output_format: Format) -> None:
    """The findings as the result; what was skipped and the summary beside it."""
    from vllm_migrate.report import terminal  # noqa: PLC0415 - loaded for what is shown
    from vllm_migrate.report.style import style_for  # noqa: PLC0415 - loaded for what is shown

    if output_format is Format.JSON:
        from vllm_migrate.report.json_report import check_json  # noqa: PLC0415 - loaded for what is shown

        output.result(check_json(result))
    else:
        header = [output.style(terminal.route(result.source, result.target), "dim"), ""]
        lines = [] if output.quiet else header
        if result.findings:
            from vllm_migrate.report.findings_text import findings_text  # noqa: PLC0415 - loaded for what is shown

            lines += findings_text(result.findings, dict(result.facts), output.style, output.width)
        lines += terminal.diagnostics_text(result.diagnostics, output.style)
        output.result("".join(f"{line}\n" for line in lines))

    style = style_for(sys.stderr)
    for line in terminal.skipped_text(result.skipped, style, everything=output.verbose):
        output.note(line)
    for line in terminal.summary_text(result, style):
        output.note(line)


def exit_code(findings: Sequence[Finding], fail_on: str, *, unjudged: bool) -> ExitCode:
    """2 where a file could not be judged, else 1 where a finding is at or above `fail_on`, else 0."""
    if unjudged:
        return ExitCode.NOT_JUDGED
    if not findings:
        return ExitCode.CLEAN
    from vllm_migrate.edits.model import Level  # noqa: PLC0415 - loaded where there are findings

    threshold = Level[fail_on.upper()]
    return ExitCode.FINDINGS if any(f.level >= threshold for f in findings) else ExitCode.CLEAN
