"""`vllm-migrate check`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from vllm_migrate.cli import options
from vllm_migrate.cli.output import Output, Progress
from vllm_migrate.cli.reporting import exit_code, show_scan, told_on_error
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from vllm_migrate.config import Config
    from vllm_migrate.rules.scan import ScanResult


def check(
    *,
    paths: options.Paths = None,
    source: options.From = None,
    target: options.To = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    per_file_ignores: options.PerFileIgnores = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Leave out the findings it holds.")
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Also what .vllm-migrate-baseline.json holds.")
    ] = False,
    diff_base: Annotated[
        str | None,
        typer.Option("--diff-base", metavar="REF", help="Only on lines changed since this branch."),
    ] = None,
    output_format: options.OutputFormat = options.Format.TEXT,
    output_file: options.OutputFile = None,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="How often each rule found something.")
    ] = False,
    stdin_filename: options.StdinFilename = None,
    fail_on: options.FailLevel = None,
    recipe: options.RecipeName = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find what breaks or silently changes on the target version.

    Exits 0 where nothing was found, 1 where something was, 2 where a file could not be judged.
    """
    output = Output(output_file, quiet, verbose)
    with told_on_error(output, output_format):
        if baseline is not None and no_baseline:
            raise UsageError("--baseline and --no-baseline exclude each other")
        named, content = options.named_paths(paths, stdin_filename)
        config = options.settings(
            named,
            source=source,
            target=target,
            select=select,
            ignore=ignore,
            per_file_ignores=per_file_ignores,
            fail_on=fail_on,
            recipe=recipe,
        )
        result = run_scan(named, config, output, content)
        if not no_baseline:
            result = _without_known(result, config, named, baseline)
        if diff_base is not None:
            result = _on_changed_lines(result, diff_base, from_stdin=content is not None)
        show_scan(result, output, output_format, config.fail_on, statistics=statistics)
    raise typer.Exit(exit_code(result.findings, config.fail_on, unjudged=result.unjudged))


def run_scan(paths: list[Path], config: Config, output: Output, content: bytes | None = None) -> ScanResult:
    """Scan with progress on stderr; `content` is that of the one file where it is not on disk."""
    from vllm_migrate.rules.scan import scan  # noqa: PLC0415 - after the options are known to be right

    progress = Progress("checking", quiet=output.quiet)
    try:
        return scan(paths, config, progress=progress, content=content)
    finally:
        progress.clear()


def _without_known(result: ScanResult, config: Config, paths: list[Path], given: Path | None) -> ScanResult:
    """Compare with the baseline that was named, or with the one that is there."""
    file = given or config.baseline
    if given is None and not file.is_file():
        return result
    from vllm_migrate.rules.against_baseline import without_known  # noqa: PLC0415 - most runs have none

    return without_known(result, file, paths, str(given or file.name))


def _on_changed_lines(result: ScanResult, base: str, *, from_stdin: bool) -> ScanResult:
    if from_stdin:
        raise UsageError("--diff-base compares files on disk, not standard input")
    from vllm_migrate.rules.changed import on_changed_lines  # noqa: PLC0415 - most runs look at all lines

    return on_changed_lines(result, base)
