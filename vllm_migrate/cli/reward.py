"""`vllm-migrate reward`: can this reward be trained against?"""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from vllm_migrate.audit.arguments import parse_arguments
from vllm_migrate.cli import live_options
from vllm_migrate.cli import reward_options as options
from vllm_migrate.cli.audit_progress import ArmProgress
from vllm_migrate.cli.options import names_in
from vllm_migrate.cli.output import write_error_line
from vllm_migrate.cli.report_output import ReportFormat, exit_of, files_of, write_reports
from vllm_migrate.cli.reward_settings import Given, given_or_configured
from vllm_migrate.errors import UsageError, VllmMigrateError
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.named_reward import parse_weighted
from vllm_migrate.reward.calling.sandbox import Bounds
from vllm_migrate.reward.examine import examine
from vllm_migrate.reward.model import model_scorer
from vllm_migrate.reward.outcome import RewardReport
from vllm_migrate.reward.read import read_any, read_prompts_only
from vllm_migrate.reward.registry import selected

if TYPE_CHECKING:
    from vllm_migrate.reward.model import ModelScorer
    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.reward.scorer import Scorer

_INTERRUPTED = "interrupted"
_BOUNDS = Bounds()


def reward(
    rewards: options.Rewards = None,
    *,
    rollouts: options.Rollouts = None,
    prompts: options.Prompts = None,
    prompt_column: options.PromptColumn = "",
    completion_column: options.CompletionColumn = "",
    answer_column: options.AnswerColumn = "",
    limit: options.Limit = None,
    style: options.Style = None,
    batch: options.Batch = 8,
    python: options.Python = None,
    seconds_per_text: options.SecondsPerText = _BOUNDS.seconds,
    time_limit: options.TimeLimit = None,
    memory: options.Memory = "16G",
    environment: options.Environment = None,
    home: options.Home = False,
    no_network: options.NoNetwork = False,
    resume: options.Resume = None,
    model: options.Model = None,
    label: options.Label = None,
    v0: options.V0 = "",
    v1: options.V1 = "",
    v0_args: options.V0Arguments = None,
    v1_args: options.V1Arguments = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    most: options.Most = 64,
    seed: options.Seed = 0,
    list_probes: options.ListProbes = False,
    explain: options.Explain = None,
    output_format: live_options.OutputFormat = ReportFormat.TEXT,
    output_file: live_options.OutputFiles = None,
    quiet: live_options.NoProgress = False,
) -> None:
    """Ask a reward whether it is telling the truth."""
    if list_probes or explain is not None:
        _say(explain)
        raise typer.Exit
    files = files_of(output_file)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a runner that gives up still gets its reports
    name = " + ".join(rewards or ()) if model is None else str(model)
    kind = "function" if model is None else "model"
    try:
        if model is None and (v0 or v1 or v0_args or v1_args or label is not None):
            raise UsageError("engines score reward models: name one with --model")
        if model is not None and rewards:
            raise UsageError("--model stands in place of a reward function: name one of them")
        given = given_or_configured(
            Given(
                rewards=tuple(rewards or ()),
                rollouts=rollouts,
                prompts=prompts,
                prompt_column=prompt_column,
                completion_column=completion_column,
                answer_column=answer_column,
                style=None if style is None else style.value,
                python=python,
                select=names_in(select),
                ignore=names_in(ignore),
            ),
            function=model is None,
        )
        name = " + ".join(given.rewards) if model is None else str(model)
        selected(given.select, given.ignore)
        scorer: FunctionScorer | ModelScorer
        if model is not None:
            scorer = model_scorer(
                model,
                v0=v0,
                v1=v1,
                label=label,
                v0_args=parse_arguments(v0_args or ()),
                v1_args=parse_arguments(v1_args or ()),
            )
        else:
            scorer = FunctionScorer(
                [parse_weighted(one) for one in given.rewards],
                batch=batch,
                style=given.style or "auto",
                python=given.python,
                bounds=Bounds(
                    seconds=seconds_per_text, memory_bytes=options.bytes_of(memory), total_seconds=time_limit
                ),
                passed=tuple(environment or ()),
                home=home,
                network=not no_network,
                resume=resume,
            )
        with closing(scorer), ArmProgress(quiet=quiet) as progress:
            progress("reward", "starting", 0, 0)
            taken = scorer.open()
            samples, source = _samples(given, scorer, limit=limit, seed=seed)
            report = examine(
                scorer,
                samples,
                reward=name,
                kind=scorer.kind,
                source=source,
                select=given.select,
                ignore=given.ignore,
                limits=given.limits,
                seed=seed,
                most=most,
                progress=lambda probe, done, total: progress("reward", probe, done, total),
            )
            notes = scorer.notes
        report = replace(report, taken=_called(given.rewards, taken.said) if model is None else taken.said)
        for note in notes:
            write_error_line(note)
    except VllmMigrateError as error:
        report = _not_examined(name, kind, error.reason, error.message, error.hint)
    except KeyboardInterrupt:
        kept = f"continue with --resume {resume}" if resume is not None else ""
        report = _not_examined(name, kind, _INTERRUPTED, "interrupted", kept)
    unjudged = (report.message, report.hint) if report.verdict is None else None
    write_reports("reward", report, output_format, files, unjudged=unjudged)
    raise typer.Exit(exit_of(report.verdict))


def _samples(given: Given, scorer: Scorer, *, limit: int | None, seed: int) -> tuple[tuple[Sample, ...], str]:
    """What is asked about, and where it is from, in words."""
    if given.rollouts is not None and given.prompts is not None:
        raise UsageError("--rollouts and --prompts exclude each other")
    if given.rollouts is not None:
        samples = read_any(
            given.rollouts,
            prompt_column=given.prompt_column,
            completion_column=given.completion_column,
            answer_column=given.answer_column,
            limit=limit,
        )
        return samples, given.rollouts.name
    if given.prompts is None:
        raise UsageError(
            "there is nothing to score: give --rollouts or --prompts",
            hint="--rollouts takes completions, --prompts makes right and wrong ones from the answers",
        )
    from vllm_migrate.reward.answers.made import made_samples  # noqa: PLC0415 - most runs have rollouts

    asked = read_prompts_only(
        given.prompts, prompt_column=given.prompt_column, answer_column=given.answer_column, limit=limit
    )
    return made_samples(asked, scorer, seed=seed), f"the answers of {given.prompts.name}"


def _called(rewards: tuple[str, ...], said: tuple[str, ...]) -> tuple[str, ...]:
    """For what each function was taken, named where there are several."""
    if len(rewards) == 1:
        return said
    return tuple(f"{reward}: {words}" for reward, words in zip(rewards, said, strict=False))


def _say(explain: str | None) -> None:
    from vllm_migrate.reward.document import explained, listed  # noqa: PLC0415 - only when asked for

    sys.stdout.write(listed() if explain is None else explained(explain))


def _not_examined(reward: str, kind: str, reason: str, message: str, hint: str) -> RewardReport:
    return RewardReport(reward, kind, None, reason, message=message, hint=hint)
