"""`vllm-migrate record`: one side of an audit, once, for all later audits."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from vllm_migrate.audit.arguments import parse_arguments
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import GREEDY_PROMPTS, build_plan
from vllm_migrate.audit.record import following_plan
from vllm_migrate.audit.record import record as record_trace
from vllm_migrate.audit.support import check_support
from vllm_migrate.cli import live_options  # noqa: TC001 - typer reads the annotations
from vllm_migrate.cli.audit_progress import ArmProgress
from vllm_migrate.cli.output import write_error_line
from vllm_migrate.errors import UsageError
from vllm_migrate.prompts.files import read_prompts
from vllm_migrate.trace.expiry import DEFAULT_DAYS
from vllm_migrate.workers.protocol import SamplingSettings

if TYPE_CHECKING:
    from vllm_migrate.trace.model import Trace


def record(
    *,
    model: Annotated[Path, typer.Option(help="Directory of the checkpoint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The trace to write, Parquet.")],
    prompts: live_options.Prompts = None,
    prompt_column: live_options.PromptColumn = "",
    limit: live_options.Limit = None,
    strata: live_options.Strata = 4,
    samples: live_options.Samples = 8,
    temperature: live_options.Temperature = 0.7,
    top_p: live_options.TopP = 0.9,
    top_k: live_options.TopK = 50,
    min_p: live_options.MinP = 0.0,
    repetition_penalty: live_options.RepetitionPenalty = 1.0,
    max_tokens: live_options.MaxTokens = 64,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    engine: Annotated[str, typer.Option(help="v0, or with --follow v1, by default; or emulated.")] = "",
    engine_args: Annotated[
        list[str] | None, typer.Option(help="LLM arguments of the engine: JSON object or key=value.")
    ] = None,
    follow: Annotated[
        Path | None,
        typer.Option(help="Record a candidate: replay this reference's tokens through V1, for `compare`."),
    ] = None,
    greedy: live_options.Greedy = GREEDY_PROMPTS,
    expires_days: live_options.ExpiresDays = DEFAULT_DAYS,
    allow_expired: live_options.AllowExpired = False,
    redact: live_options.Redact = False,
    resume: live_options.Resume = None,
    fresh: live_options.Fresh = False,
    quiet: live_options.NoProgress = False,
) -> None:
    """Record the reference by V0, or with --follow a candidate's replay of it."""
    arguments = parse_arguments(engine_args or ())
    if follow is not None:
        if prompts is not None:
            raise UsageError("--prompts and --follow exclude each other: the reference brings its prompts")
        plan = following_plan(
            follow, model=model, engine=engine or "v1", arguments=arguments, allow_expired=allow_expired
        )
    else:
        read = (
            ()
            if prompts is None
            else read_prompts(prompts, limit=limit, column=prompt_column, strata=strata, seed=seed)
        )
        plan = build_plan(
            model=model,
            prompts=read,
            sampling=SamplingSettings(
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
                max_tokens=max_tokens,
            ),
            samples=samples,
            seed=seed,
            clip=ClipRange(),
            v0=engine or "v0",
            v1="v1",
            candidate_args={},
            v0_args=arguments,
        )
    plan = replace(
        plan,
        strata=max(1, strata),
        greedy=greedy,
        expires_days=expires_days,
        redact=redact,
        resume=resume,
        fresh=fresh,
    )
    plan = check_support(plan)
    if not quiet:
        for warning in plan.warnings:
            write_error_line(f"note: {warning}")
    with ArmProgress(quiet=quiet) as progress:
        trace = record_trace(plan, output, progress)
    sys.stdout.write(summary(trace, output) + "\n")


def summary(trace: Trace, path: Path) -> str:
    """What was recorded, in one line."""
    made = trace.provenance
    tokens = sum(len(rollout.token_ids) for rollout in trace.rollouts)
    ends = f"expires {made.expires[:10]}" if made.expires else "never expires"
    kind = "follows a reference" if made.follows else "reference"
    return (
        f"{path}: {kind}, {len(trace.prompts)} prompts, {len(trace.rollouts)} completions, {tokens:,} tokens"
        f" by {made.engine} ({made.version}), {ends}{', redacted' if made.redacted else ''}"
    )
