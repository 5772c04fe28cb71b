"""`vllm-migrate compare`: the audit's verdict from two traces, without an engine."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from vllm_migrate.audit.compare import compare_traces
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.redact import redacted_result
from vllm_migrate.audit.run import not_judged
from vllm_migrate.cli import live_options  # noqa: TC001 - typer reads the annotations
from vllm_migrate.cli.audit_output import write_audit_reports
from vllm_migrate.cli.report_output import ReportFormat, exit_of, files_of
from vllm_migrate.errors import UsageError, VllmMigrateError
from vllm_migrate.reward.calling.named_reward import parse_reward


def compare(
    reference: Annotated[Path, typer.Argument(help="V0's trace, made by `record`.")],
    candidate: Annotated[Path, typer.Argument(help="A candidate's, made by `record --follow REFERENCE`.")],
    *,
    model: Annotated[
        Path | None, typer.Option(help="Directory of the checkpoint, to show tokens as text.")
    ] = None,
    clip_range: live_options.ClipRange = 0.2,
    clip_range_high: live_options.ClipRangeHigh = None,
    reward: live_options.Reward = None,
    require_reward: live_options.RequireReward = False,
    check_reward: live_options.CheckReward = False,
    allow_expired: live_options.AllowExpired = False,
    redact: live_options.Redact = False,
    output_format: live_options.OutputFormat = ReportFormat.TEXT,
    output_file: live_options.OutputFiles = None,
) -> None:
    """Judge a recorded candidate against a recorded reference."""
    files = files_of(output_file)
    try:
        if check_reward and reward is None:
            raise UsageError("--check-reward needs --reward file.py:function")
        result = compare_traces(
            reference,
            candidate,
            model=model,
            clip=ClipRange(clip_range, clip_range if clip_range_high is None else clip_range_high),
            reward=None if reward is None else parse_reward(reward),
            require_reward=require_reward,
            check_reward=check_reward,
            allow_expired=allow_expired,
        )
    except VllmMigrateError as error:
        result = not_judged(None, error.reason, error.message, error.hint)
    write_audit_reports(redacted_result(result) if redact else result, output_format, files)
    raise typer.Exit(exit_of(result.verdict))
