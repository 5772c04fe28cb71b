"""`vllm-migrate rewrite`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from vllm_migrate.cli import options
from vllm_migrate.cli.check import run_scan
from vllm_migrate.cli.output import Output, Progress, write_file
from vllm_migrate.cli.reporting import exit_code, show_machine, told_on_error
from vllm_migrate.errors import ExitCode, UsageError
from vllm_migrate.report.style import style_for

if TYPE_CHECKING:
    from vllm_migrate.rules.rewrite import RewriteResult
    from vllm_migrate.rules.scan import ScanResult


def rewrite(
    *,
    paths: options.Paths = None,
    source: options.From = None,
    target: options.To = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show the edits, write nothing.")] = False,
    patch: Annotated[
        Path | None,
        typer.Option("--patch", metavar="FILE", help="Write the edits there for `git apply`, nothing else."),
    ] = None,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Also edits that need a reader.")
    ] = False,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Also files with changes that git has not committed.")
    ] = False,
    select: options.Select = None,
    ignore: options.Ignore = None,
    per_file_ignores: options.PerFileIgnores = None,
    output_format: options.OutputFormat = options.Format.TEXT,
    output_file: options.OutputFile = None,
    stdin_filename: options.StdinFilename = None,
    fail_on: options.FailLevel = None,
    recipe: options.RecipeName = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Apply the edits that keep the code doing what it did.

    What comes from standard input goes to standard output. Exits 0 where nothing is left to do, 1 where
    findings remain (or, with --diff or --patch, edits are pending), 2 where a file could not be judged or
    written, or has changes that git has not committed.
    """
    output = Output(output_file, quiet, verbose)
    only_show = diff or patch is not None
    with told_on_error(output, output_format):
        named, content = options.named_paths(paths, stdin_filename)
        if content is not None and not only_show and output_format is not options.Format.TEXT:
            raise UsageError("`rewrite -` writes the rewritten file; other formats go with --diff or --patch")
        config = options.settings(
            named,
            source=source,
            target=target,
            select=select,
            ignore=ignore,
            per_file_ignores=per_file_ignores,
            fail_on=fail_on,
            recipe=recipe,
            unsafe=unsafe_fixes,
        )
        scanned = run_scan(named, config, output, content)
        result = _run(
            scanned, output, unsafe=config.unsafe_fixes, write=not only_show, allow_dirty=allow_dirty
        )
        if patch is not None:
            write_file(patch, _patch(result))
        if content is not None and not only_show:
            _show_file(scanned, result, content, output)
        else:
            _show(scanned, result, output, output_format, config.fail_on, diff=diff, patch=patch)
    pending = only_show and bool(result.plans)
    code = exit_code(result.remaining, config.fail_on, unjudged=scanned.unjudged or result.failed)
    raise typer.Exit(max(code, ExitCode.FINDINGS) if pending else code)


def _run(
    scanned: ScanResult, output: Output, *, unsafe: bool, write: bool, allow_dirty: bool
) -> RewriteResult:
    from vllm_migrate.edits.git import refuse_uncommitted  # noqa: PLC0415 - loaded when there is something to show
    from vllm_migrate.rules.rewrite import rewrite as run  # noqa: PLC0415 - loaded when there is something to show

    progress = Progress("rewriting", quiet=output.quiet)
    guard = None if allow_dirty else refuse_uncommitted
    try:
        return run(scanned, unsafe=unsafe, write=write, progress=progress, guard=guard)
    finally:
        progress.clear()


def _patch(result: RewriteResult) -> bytes:
    from vllm_migrate.edits.diff import unified_diff  # noqa: PLC0415 - loaded when there is something to show

    return b"".join(unified_diff(plan.path, plan.before, plan.after) for plan in result.plans)


def _show_file(scanned: ScanResult, result: RewriteResult, content: bytes, output: Output) -> None:
    """The file as it is now, for whatever reads it; what remains to be done beside it."""
    from vllm_migrate.report import (  # noqa: PLC0415 - loaded when there is something to show
        rewrite_text,
        terminal,
    )

    style = style_for(sys.stderr)
    output.result(result.plans[0].after if result.plans else content)
    for line in rewrite_text.remaining_text(result, style, output.width):
        output.note(line)
    for line in terminal.diagnostics_text((*scanned.diagnostics, *result.refused), style):
        output.note(line)
    for line in rewrite_text.summary(result, style, diff=False):
        output.note(line)


def _show(
    scanned: ScanResult,
    result: RewriteResult,
    output: Output,
    output_format: options.Format,
    fail_on: str,
    *,
    diff: bool,
    patch: Path | None,
) -> None:
    from vllm_migrate.report import (  # noqa: PLC0415 - loaded when there is something to show
        rewrite_text,
        terminal,
    )

    style = style_for(sys.stderr)
    only_show = diff or patch is not None
    if output_format is options.Format.JSON:
        from vllm_migrate.report.json_report import rewrite_json  # noqa: PLC0415 - loaded when there is something to show

        output.result(rewrite_json(scanned, result))
    elif output_format is not options.Format.TEXT:
        diagnostics = (*scanned.diagnostics, *result.refused)
        as_before = {path for path, facts in result.facts.items() if facts is scanned.facts.get(path)}
        left = replace(
            scanned,
            findings=result.remaining,
            silenced=tuple(finding for finding in scanned.silenced if finding.path in as_before),
            facts=result.facts,
            diagnostics=diagnostics,
        )
        show_machine(left, output, output_format, fail_on)
    elif diff:
        output.result(rewrite_text.coloured_diff(_patch(result), output.style))
    else:
        text = rewrite_text.text(
            scanned, result, output.style, output.width, header=not output.quiet, written=not only_show
        )
        output.result(text)
    for line in terminal.diagnostics_text((*scanned.diagnostics, *result.refused), style) if diff else ():
        output.note(line)
    for line in terminal.skipped_text(scanned.skipped, style, everything=output.verbose):
        output.note(line)
    for line in rewrite_text.summary(result, style, diff=only_show, patch=patch):
        output.note(line)
