"""Writes the reports of what ends in a verdict: to files by their suffix, and to the terminal."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.cli.output import say_error, write_file
from vllm_migrate.errors import ExitCode, InputError, UsageError
from vllm_migrate.report.shown import safe_lines
from vllm_migrate.report.style import style_for
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable


class ReportFormat(str, Enum):
    """Formats of a report with a verdict."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"


Files = Sequence[tuple[Path, ReportFormat]]
"""Reports to write."""
_SUFFIXES = {
    ".json": ReportFormat.JSON,
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".md": ReportFormat.MARKDOWN,
    ".xml": ReportFormat.JUNIT,
    ".txt": ReportFormat.TEXT,
}


def files_of(paths: Iterable[Path] | None) -> Files:
    """The files of `--output-file`, each with the format that its suffix asks for.

    Raises:
        UsageError: a suffix asks for none, or a directory does not exist.
    """
    return tuple((path, format_of(path)) for path in paths or ())


def format_of(path: Path) -> ReportFormat:
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


def render(command: str, report: object, kind: ReportFormat, *, colour: bool = False) -> str:
    """A command's report as text, by the module of `report/` that is named after both.

    It is imported when asked for: rich and the plots take their time.

    Args:
        command: "audit", "reward" or "watch".
        report: its result.
        kind: format.
        colour: for a terminal.
    """
    place = "terminal" if kind is ReportFormat.TEXT else kind.value
    module = importlib.import_module(f"vllm_migrate.report.{command}_{place}")
    if kind is ReportFormat.TEXT:
        return str(module.render_text(report, colour=colour))
    return str(getattr(module, f"render_{kind.value}")(report))


def write_reports(
    command: str,
    report: object,
    output_format: ReportFormat,
    files: Files,
    *,
    unjudged: tuple[str, str] | None,
) -> None:
    """Write every report, then print.

    Args:
        command: "audit", "reward" or "watch".
        report: its result.
        output_format: what to print.
        files: what else to write.
        unjudged: message and hint where there is no verdict; they go to stderr, in place of the text.

    Raises:
        InputError: a file could not be written; the others were.
    """
    failed: InputError | None = None
    for path, kind in files:
        try:
            write_file(path, render(command, report, kind).encode("utf-8", "backslashreplace"))
        except InputError as error:  # noqa: PERF203 - one file that fails must not keep the others from being written
            failed = error
    if unjudged is not None:
        say_error(*map(safe_lines, unjudged))
    if output_format is not ReportFormat.TEXT or unjudged is None:
        text = render(command, report, output_format, colour=style_for(sys.stdout).enabled)
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    if failed is not None:
        raise failed


def exit_of(verdict: Verdict | None) -> ExitCode:
    """0 for PASS, 1 for FAIL, 2 for INCONCLUSIVE and where there is no verdict."""
    if verdict is Verdict.PASS:
        return ExitCode.CLEAN
    return ExitCode.FINDINGS if verdict is Verdict.FAIL else ExitCode.NOT_JUDGED
