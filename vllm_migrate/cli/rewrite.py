"""`vllm-migrate rewrite`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vllm_migrate.cli import options
from vllm_migrate.cli.check import run_scan
from vllm_migrate.cli.output import Output, Progress
from vllm_migrate.cli.reporting import exit_code, json_on_error
from vllm_migrate.errors import ExitCode
from vllm_migrate.report.style import style_for

if TYPE_CHECKING:
    from vllm_migrate.edits.rewrite import RewriteResult
    from vllm_migrate.rules.scan import ScanResult


def rewrite(
    *,
    paths: options.Paths = None,
    source: options.From = None,
    target: options.To = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show the edits, write nothing.")] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Also edits that need a reader.")
    ] = False,
    select: options.Select = None,
    ignore: options.Ignore = None,
    output_format: options.OutputFormat = options.Format.TEXT,
    output_file: options.OutputFile = None,
    fail_on: options.FailLevel = None,
    recipe: options.RecipeName = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Apply the edits that keep the code doing what it did.

    Exits 0 where nothing is left to do, 1 where findings remain (or, with --diff, edits are pending), 2 where
    a file could not be judged or written.
    """
    output = Output(output_file, quiet, verbose)
    with json_on_error(output, output_format):
        named = paths or [Path()]
        config = options.settings(
            named,
            source=source,
            target=target,
            select=select,
            ignore=ignore,
            fail_on=fail_on,
            recipe=recipe,
            unsafe=unsafe_fixes,
        )
        scanned = run_scan(named, config, output)
        result = _run(scanned, output, unsafe=config.unsafe_fixes, write=not diff)
        _show(scanned, result, output, output_format, diff=diff)
    pending = diff and bool(result.plans)
    code = exit_code(result.remaining, config.fail_on, unjudged=scanned.unjudged or result.failed)
    raise typer.Exit(max(code, ExitCode.FINDINGS) if pending else code)


def _run(scanned: ScanResult, output: Output, *, unsafe: bool, write: bool) -> RewriteResult:
    from vllm_migrate.edits.rewrite import rewrite as run  # noqa: PLC0415 - loaded when there is something to show

    progress = Progress("rewriting", quiet=output.quiet)
    try:
        return run(scanned, unsafe=unsafe, write=write, progress=progress)
    finally:
        progress.clear()


def _show(
    scanned: ScanResult, result: RewriteResult, output: Output, output_format: options.Format, *, diff: bool
) -> None:
    from vllm_migrate.report import (  # noqa: PLC0415 - loaded when there is something to show
        rewrite_text,
        terminal,
    )

    style = style_for(sys.stderr)
    if output_format is options.Format.JSON:
        from vllm_migrate.report.json_report import rewrite_json  # noqa: PLC0415 - loaded when there is something to show

        output.result(rewrite_json(scanned, result))
    elif diff:
        from vllm_migrate.edits.diff import unified_diff  # noqa: PLC0415 - loaded when there is something to show

        patch = b"".join(unified_diff(plan.path, plan.before, plan.after) for plan in result.plans)
        output.result(rewrite_text.coloured_diff(patch, output.style))
    else:
        output.result(rewrite_text.text(scanned, result, output.style, output.width, header=not output.quiet))
    for line in terminal.diagnostics_text((*scanned.diagnostics, *result.refused), style) if diff else ():
        output.note(line)
    for line in terminal.skipped_text(scanned.skipped, style, everything=output.verbose):
        output.note(line)
    for line in rewrite_text.summary(result, style, diff=diff):
        output.note(line)
