"""What `check` and `rewrite` share: showing a scan, the exit code, and a report even when the run fails."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vllm_migrate.cli.options import Format
from vllm_migrate.errors import ExitCode, VllmMigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from vllm_migrate.cli.output import Output
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.rules.scan import ScanResult


@contextmanager
def told_on_error(output: Output, output_format: Format) -> Iterator[None]:
    """Write the report also when the run ends in an error or is interrupted; the error then goes on."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if output_format is Format.JSON:
            from vllm_migrate.report.json_report import error_json  # noqa: PLC0415 - loaded for what is shown

            output.result(error_json(*_told(error)))
        elif output_format is not Format.TEXT:
            output.result(_renderer(output_format).render_error(*_told(error)))
        raise


def _renderer(output_format: Format) -> Any:
    """The module that renders a format for other programs, loaded when it is wanted."""
    return importlib.import_module(f"vllm_migrate.report.{output_format.value}")


def _told(error: BaseException) -> tuple[str, str]:
    """The stable slug for an error, and its message."""
    if isinstance(error, VllmMigrateError):
        return error.reason, error.message
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "interrupted"
    return "unexpected", f"{type(error).__name__}: {error}"


def show_scan(
    result: ScanResult, output: Output, output_format: Format, fail_on: str, *, statistics: bool = False
) -> None:
    """The findings as the result; what was skipped and the summary beside it.

    `statistics` takes the findings' place in text, stands beside them in JSON, and is said on stderr with the
    formats that have no room for it.
    """
    from vllm_migrate.report import terminal  # noqa: PLC0415 - loaded for what is shown
    from vllm_migrate.report.style import style_for  # noqa: PLC0415 - loaded for what is shown

    if output_format is Format.JSON:
        from vllm_migrate.report.json_report import check_json  # noqa: PLC0415 - loaded for what is shown

        output.result(check_json(result, with_statistics=statistics))
    elif output_format is not Format.TEXT:
        show_machine(result, output, output_format, fail_on)
        for line in _statistics(result) if statistics else ():
            output.note(line)
    else:
        header = [*(output.style(line, "dim") for line in terminal.routes(result)), ""]
        lines = [] if output.quiet else header
        if statistics:
            lines += _statistics(result)
        elif result.findings:
            from vllm_migrate.report.findings_text import findings_text  # noqa: PLC0415 - loaded for what is shown

            lines += findings_text(result.findings, dict(result.facts), output.style, output.width)
        lines += terminal.diagnostics_text(result.diagnostics, output.style)
        output.result("".join(f"{line}\n" for line in lines))

    style = style_for(sys.stderr)
    for line in terminal.skipped_text(result.skipped, style, everything=output.verbose):
        output.note(line)
    for line in terminal.summary_text(result, style):
        output.note(line)


def show_machine(result: ScanResult, output: Output, output_format: Format, fail_on: str) -> None:
    """The findings in a format for other programs; for GitHub also as a table in the step's summary."""
    renderer = _renderer(output_format)
    output.result(renderer.render(result, fail_on))
    if output_format is Format.GITHUB:
        file = renderer.summary_file()
        if file is not None:
            _append(file, renderer.summary_table(result), output)


def _append(file: Path, text: str, output: Output) -> None:
    """The summary is an extra: where it can't be written, that is said, and the run goes on."""
    try:
        with file.open("ab") as stream:
            stream.write(text.encode("utf-8", "replace"))
    except OSError as error:
        output.note(f"{file}: the step's summary can't be written: {error.strerror}")


def _statistics(result: ScanResult) -> Iterator[str]:
    from vllm_migrate.report.statistics import statistics_text  # noqa: PLC0415 - loaded for what is shown

    return statistics_text(result.findings)


def exit_code(findings: Sequence[Finding], fail_on: str, *, unjudged: bool) -> ExitCode:
    """2 where a file could not be judged, else 1 where a finding is at or above `fail_on`, else 0."""
    if unjudged:
        return ExitCode.NOT_JUDGED
    if not findings:
        return ExitCode.CLEAN
    from vllm_migrate.edits.model import Level  # noqa: PLC0415 - loaded where there are findings

    threshold = Level[fail_on.upper()]
    return ExitCode.FINDINGS if any(f.level >= threshold for f in findings) else ExitCode.CLEAN
