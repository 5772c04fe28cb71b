"""Writes the reports on a reward: to files by their suffix, and to the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vllm_migrate.cli.audit_output import AuditFormat
from vllm_migrate.cli.output import say_error, write_file
from vllm_migrate.errors import InputError
from vllm_migrate.report.shown import safe_lines
from vllm_migrate.report.style import style_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vllm_migrate.reward.outcome import RewardReport


def write_reward_reports(
    report: RewardReport, output_format: AuditFormat, files: Sequence[tuple[Path, AuditFormat]]
) -> None:
    """Write every report, then print; an examination without a verdict also says why on stderr.

    Raises:
        InputError: a file could not be written; the others were.
    """
    failed: InputError | None = None
    for path, kind in files:
        try:
            write_file(path, render(report, kind).encode("utf-8", "backslashreplace"))
        except InputError as error:  # noqa: PERF203 - one file that fails must not keep the others from being written
            failed = error
    if report.verdict is None:
        say_error(safe_lines(report.message), safe_lines(report.hint))
    if output_format is not AuditFormat.TEXT or report.verdict is not None:
        text = render(report, output_format, colour=style_for(sys.stdout).enabled)
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    if failed is not None:
        raise failed


def render(report: RewardReport, kind: AuditFormat, *, colour: bool = False) -> str:
    """One report. Each is imported when asked for."""
    if kind is AuditFormat.JSON:
        from vllm_migrate.report.reward_json import render_json  # noqa: PLC0415 - see above

        return render_json(report)
    if kind is AuditFormat.HTML:
        from vllm_migrate.report.reward_html import render_html  # noqa: PLC0415 - see above

        return render_html(report)
    if kind is AuditFormat.MARKDOWN:
        from vllm_migrate.report.reward_markdown import render_markdown  # noqa: PLC0415 - see above

        return render_markdown(report)
    if kind is AuditFormat.JUNIT:
        from vllm_migrate.report.reward_junit import render_junit  # noqa: PLC0415 - see above

        return render_junit(report)
    from vllm_migrate.report.reward_terminal import render_text  # noqa: PLC0415 - see above

    return render_text(report, colour=colour)
