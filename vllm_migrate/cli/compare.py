"""`vllm-migrate compare`: the audit's verdict from two traces, without an engine."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from vllm_migrate.audit.compare import compare_traces
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.redact import redacted_result
from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.run import not_judged
from vllm_migrate.cli.audit_output import AuditFormat, format_of, write_reports
from vllm_migrate.cli.trace_options import AllowExpired, Redact  # noqa: TC001 - typer reads the annotations
from vllm_migrate.errors import ExitCode, VllmMigrateError
from vllm_migrate.reward.load import parse_reward

_EXIT = {Verdict.PASS: ExitCode.CLEAN, Verdict.FAIL: ExitCode.FINDINGS}


def compare(
    reference: Annotated[Path, typer.Argument(help="V0's trace, made by `record`.")],
    candidate: Annotated[Path, typer.Argument(help="A candidate's, made by `record --follow REFERENCE`.")],
    *,
    model: Annotated[
        Path | None, typer.Option(help="Directory of the checkpoint, to show tokens as text.")
    ] = None,
    clip_range: Annotated[float, typer.Option(help="Your PPO/GRPO clip range.")] = 0.2,
    clip_range_high: Annotated[float | None, typer.Option(help="Its upper side, where it differs.")] = None,
    reward: Annotated[
        str | None, typer.Option(help="Reward function in TRL's form, file.py:function.")
    ] = None,
    require_reward: Annotated[
        bool, typer.Option("--require-reward", help="Let the reward's verdict gate, too.")
    ] = False,
    allow_expired: AllowExpired = False,
    redact: Redact = False,
    output_format: Annotated[AuditFormat, typer.Option(help="What to print.")] = AuditFormat.TEXT,
    output_file: Annotated[
        list[Path] | None, typer.Option(help="Also write a report here; its suffix says which. Repeatable.")
    ] = None,
) -> None:
    """Judge a recorded candidate against a recorded reference."""
    files = [(path, format_of(path)) for path in output_file or ()]
    try:
        result = compare_traces(
            reference,
            candidate,
            model=model,
            clip=ClipRange(clip_range, clip_range if clip_range_high is None else clip_range_high),
            reward=None if reward is None else parse_reward(reward),
            require_reward=require_reward,
            allow_expired=allow_expired,
        )
    except VllmMigrateError as error:
        result = not_judged(None, error.reason, error.message, error.hint)
    write_reports(redacted_result(result) if redact else result, output_format, files)
    raise typer.Exit(
        _EXIT.get(result.verdict, ExitCode.NOT_JUDGED) if result.verdict else ExitCode.NOT_JUDGED
    )
