"""Writes the audit's reports: to files by their suffix, and to the terminal."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path  # noqa: TC003 - callers' annotations are read at run time
from typing import TYPE_CHECKING

from vllm_migrate.audit.verdict import Verdict
from vllm_migrate.cli.output import say_error, write_file
from vllm_migrate.errors import ExitCode, InputError, UsageError
from vllm_migrate.report.shown import safe_lines
from vllm_migrate.report.style import style_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import AuditResult


class AuditFormat(str, Enum):
    """Formats of the audit's report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"


_SUFFIXES = {
    ".json": AuditFormat.JSON,
    ".html": AuditFormat.HTML,
    ".htm": AuditFormat.HTML,
    ".md": AuditFormat.MARKDOWN,
    ".xml": AuditFormat.JUNIT,
    ".txt": AuditFormat.TEXT,
}


def format_of(path: Path) -> AuditFormat:
    """The format a file's suffix asks for.

    Raises:
        UsageError: it asks for none, or the directory does not exist.
    """
    if path.suffix.lower() not in _SUFFIXES:
        known = ".html, .json, .md, .xml (JUnit) or .txt"
        raise UsageError(f"--output-file {path}: the suffix must be {known}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--output-file {path}: there is no such directory")
    return _SUFFIXES[path.suffix.lower()]


def write_reports(
    result: AuditResult, output_format: AuditFormat, files: Sequence[tuple[Path, AuditFormat]]
) -> None:
    """Write every report, then print; an audit without a verdict also says why on stderr, in one line.

    Raises:
        InputError: a file could not be written; the others were.
    """
    failed: InputError | None = None
    for path, kind in files:
        try:
            write_file(path, render(result, kind).encode("utf-8", "backslashreplace"))
        except InputError as error:  # noqa: PERF203 - one file that fails must not keep the others from being written
            failed = error
    if result.verdict is None:
        message, _, hint = result.message.partition("\nhint: ")
        say_error(safe_lines(message), safe_lines(hint))
    if output_format is not AuditFormat.TEXT or result.verdict is not None:
        text = render(result, output_format, colour=style_for(sys.stdout).enabled)
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    if failed is not None:
        raise failed


def exit_of(result: AuditResult) -> ExitCode:
    """0 for PASS, 1 for FAIL, 2 for INCONCLUSIVE and for an audit without a verdict."""
    if result.verdict is Verdict.PASS:
        return ExitCode.CLEAN
    return ExitCode.FINDINGS if result.verdict is Verdict.FAIL else ExitCode.NOT_JUDGED


def render(result: AuditResult, kind: AuditFormat, *, colour: bool = False) -> str:
    """One report. Each is imported when asked for: rich and the plots take their time."""
    if kind is AuditFormat.JSON:
        from vllm_migrate.report.audit_json import render_json  # noqa: PLC0415 - see above

        return render_json(result)
    if kind is AuditFormat.HTML:
        from vllm_migrate.report.audit_html import render_html  # noqa: PLC0415 - see above

        return render_html(result)
    if kind is AuditFormat.MARKDOWN:
        from vllm_migrate.report.audit_markdown import render_markdown  # noqa: PLC0415 - see above

        return render_markdown(result)
    if kind is AuditFormat.JUNIT:
        from vllm_migrate.report.audit_junit import render_junit  # noqa: PLC0415 - see above

        return render_junit(result)
    from vllm_migrate.report.audit_terminal import render_text  # noqa: PLC0415 - see above

    return render_text(result, colour=colour)
