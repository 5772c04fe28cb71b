"""`vllm-migrate reward`: can this reward be trained against?"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from vllm_migrate.audit.verdict import Verdict
from vllm_migrate.cli.audit_output import AuditFormat, format_of
from vllm_migrate.cli.reward_output import write_reward_reports
from vllm_migrate.errors import ExitCode, VllmMigrateError
from vllm_migrate.reward.examine import examine
from vllm_migrate.reward.function import FunctionScorer
from vllm_migrate.reward.load import parse_reward
from vllm_migrate.reward.outcome import RewardReport
from vllm_migrate.reward.read import read_any


def reward(
    reward: Annotated[str, typer.Argument(help="Reward function in TRL's form, file.py:function.")],
    rollouts: Annotated[
        Path, typer.Option(help="Completions to score: a trace, or rows with prompt and completion.")
    ],
    *,
    answer_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of the reference answer; else the usual ones.")
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Use N of the rows.")] = None,
    seed: Annotated[int, typer.Option(help="Of whatever is drawn.")] = 0,
    select: Annotated[list[str] | None, typer.Option(help="Ask these probes only. Repeatable.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Leave this probe out. Repeatable.")] = None,
    output_format: Annotated[AuditFormat, typer.Option(help="What to print.")] = AuditFormat.TEXT,
    output_file: Annotated[
        list[Path] | None, typer.Option(help="Also write a report here; its suffix says which. Repeatable.")
    ] = None,
) -> None:
    """Ask a reward whether it is telling the truth."""
    files = [(path, format_of(path)) for path in output_file or ()]
    try:
        report = examine(
            FunctionScorer(parse_reward(reward)),
            read_any(rollouts, answer_column=answer_column, limit=limit),
            reward=reward,
            source=rollouts.name,
            select=select or (),
            ignore=ignore or (),
            seed=seed,
        )
    except VllmMigrateError as error:
        report = RewardReport(reward, "function", None, error.reason, message=error.message, hint=error.hint)
    write_reward_reports(report, output_format, files)
    raise typer.Exit(exit_of(report))


def exit_of(report: RewardReport) -> ExitCode:
    """0 for PASS, 1 for FAIL, 2 where it could not be judged."""
    if report.verdict is Verdict.PASS:
        return ExitCode.CLEAN
    return ExitCode.FINDINGS if report.verdict is Verdict.FAIL else ExitCode.NOT_JUDGED
