"""`vllm-migrate baseline`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vllm_migrate.cli import options
from vllm_migrate.cli.check import run_scan
from vllm_migrate.cli.output import Output, write_file
from vllm_migrate.errors import ExitCode
from vllm_migrate.report.style import printable, style_for


def baseline(
    *,
    paths: options.Paths = None,
    source: options.From = None,
    target: options.To = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    per_file_ignores: options.PerFileIgnores = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE", help="Write it there, not to .vllm-migrate-baseline.json."
        ),
    ] = None,
    recipe: options.RecipeName = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write down what is found today, so that `check` says only what comes after.

    What an existing baseline holds on files outside the paths given is kept. Exits 0, or 2 where a file could
    not be judged; what the baseline held on that file is kept.
    """
    from vllm_migrate.edits.baseline import baseline_text  # noqa: PLC0415 - --help needs none of it
    from vllm_migrate.report import terminal  # noqa: PLC0415 - same
    from vllm_migrate.report.numbers import plural  # noqa: PLC0415 - same
    from vllm_migrate.rules.against_baseline import counted, merged  # noqa: PLC0415 - same

    output = Output(None, quiet, verbose)
    named = paths or [Path()]
    config = options.settings(
        named,
        source=source,
        target=target,
        select=select,
        ignore=ignore,
        per_file_ignores=per_file_ignores,
        recipe=recipe,
    )
    file = baseline or config.baseline
    result = run_scan(named, config, output)
    entries = merged(counted(result, file), result, file, named)
    write_file(file, baseline_text(entries).encode())

    style = style_for(sys.stderr)
    for line in terminal.diagnostics_text(result.diagnostics, style):
        output.note(line)
    for line in terminal.skipped_text(result.skipped, style, everything=output.verbose):
        output.note(line)
    written = plural(sum(entries.values()), "finding")
    output.note(f"{printable(str(baseline or file.name))}: {written}")
    raise typer.Exit(ExitCode.NOT_JUDGED if result.unjudged else ExitCode.CLEAN)
