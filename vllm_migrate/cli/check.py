"""`vllm-migrate check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vllm_migrate.cli import options
from vllm_migrate.cli.output import Output, Progress
from vllm_migrate.cli.reporting import exit_code, json_on_error, show_scan

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
    output_format: options.OutputFormat = options.Format.TEXT,
    output_file: options.OutputFile = None,
    fail_on: options.FailLevel = None,
    recipe: options.RecipeName = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find what breaks or silently changes on the target version.

    Exits 0 where nothing was found, 1 where something was, 2 where a file could not be judged.
    """
    output = Output(output_file, quiet, verbose)
    with json_on_error(output, output_format):
        named = paths or [Path()]
        config = options.settings(
            named, source=source, target=target, select=select, ignore=ignore, fail_on=fail_on, recipe=recipe
        )
        result = run_scan(named, config, output)
        show_scan(result, output, output_format)
    raise typer.Exit(exit_code(result.findings, config.fail_on, unjudged=result.unjudged))


def run_scan(paths: list[Path], config: Config, output: Output) -> ScanResult:
    """Scan with progress on stderr."""
    from vllm_migrate.rules.scan import scan  # noqa: PLC0415 - after the options are known to be right

    progress = Progress("checking", quiet=output.quiet)
    try:
        return scan(paths, config, progress=progress)
    finally:
        progress.clear()
