"""`vllm-migrate watch`: two run logs, step by step."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import typer

from vllm_migrate.cli import live_options  # noqa: TC001 - typer reads the annotations
from vllm_migrate.cli import watch_options as options  # noqa: TC001 - same
from vllm_migrate.cli.options import names_in
from vllm_migrate.cli.output import write_error_line
from vllm_migrate.cli.report_output import ReportFormat, exit_of, files_of, write_reports
from vllm_migrate.errors import UsageError, VllmMigrateError
from vllm_migrate.report.watch_words import WORDS, headline
from vllm_migrate.watch.compare import Settings
from vllm_migrate.watch.follow import Watch
from vllm_migrate.watch.metrics import own_names, tolerances
from vllm_migrate.watch.result import WatchReport

if TYPE_CHECKING:
    from collections.abc import Callable


def watch(
    runs: options.Runs = None,
    *,
    reference: options.References = None,
    candidate: options.Candidates = None,
    metric: options.Metric = None,
    only: options.Only = None,
    everything: options.Everything = False,
    step: options.Step = "",
    candidate_steps: options.CandidateSteps = 1.0,
    from_step: options.FromStep = None,
    to_step: options.ToStep = None,
    tolerance: options.Tolerance = None,
    level: options.Level = 0.05,
    follow: options.Follow = False,
    every: options.Every = 10.0,
    output_format: live_options.OutputFormat = ReportFormat.TEXT,
    output_file: live_options.OutputFiles = None,
    quiet: live_options.NoProgress = False,
) -> None:
    """Say when a candidate's training left its reference, and in which metric first."""
    files = files_of(output_file)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a runner that gives up still gets its reports
    try:
        references, candidates = _sides(runs or [], reference or [], candidate or [])
        settings = Settings(
            own=own_names(metric or ()),
            only=names_in(only),
            everything=everything,
            first=from_step,
            last=to_step,
            candidate_steps=candidate_steps,
            level=level,
            tolerated=tolerances(tolerance or ()),
        )
        watched = Watch(references, candidates, settings, step)
        report = watched.follow(every=every, told=_teller(quiet=quiet)) if follow else watched.once()
    except VllmMigrateError as error:
        report = WatchReport(None, error.reason, message=error.message, hint=error.hint)
    except KeyboardInterrupt:  # again, or before anything was read: else it ends in the verdict so far
        report = WatchReport(None, "interrupted", message="interrupted")
    unjudged = (report.message, report.hint) if report.verdict is None else None
    write_reports("watch", report, output_format, files, unjudged=unjudged)
    raise typer.Exit(exit_of(report.verdict))


def _sides(runs: list[str], references: list[str], candidates: list[str]) -> tuple[list[str], list[str]]:
    """The paths of both sides: two in their order, or each named by its option.

    Raises:
        UsageError: a side has none, or there are more than two without a name.
    """
    given = list(runs)
    if not references and given:
        references = [given.pop(0)]
    elif len(given) > 1 or (given and candidates):
        references = [*references, given.pop(0)]
    if given:
        candidates = [given.pop(0), *candidates]
    if given:
        raise UsageError(
            "two runs are compared", hint="name the seeds of a side with --reference and --candidate"
        )
    if not references or not candidates:
        raise UsageError(
            "a reference and a candidate are needed", hint="such as `vllm-migrate watch v0-run v1-run`"
        )
    return references, candidates


def _teller(*, quiet: bool) -> Callable[[WatchReport], None]:
    def tell(report: WatchReport) -> None:
        last = max((one.last_step or 0.0 for one in report.metrics), default=0.0)
        write_error_line(f"step {last:g}: {WORDS[report.verdict].lower()}: {headline(report)}")

    return (lambda _report: None) if quiet else tell
