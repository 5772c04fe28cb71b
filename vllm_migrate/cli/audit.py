"""`vllm-migrate audit`: is the training signal the same on V1?"""

from __future__ import annotations

import signal
from dataclasses import replace
from enum import Enum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from vllm_migrate.audit.arguments import parse_arguments
from vllm_migrate.audit.cause.options import with_cause_options
from vllm_migrate.audit.plan import AuditPlan, build_plan
from vllm_migrate.audit.prompts.files import read_prompts
from vllm_migrate.audit.redact import redacted_result
from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.run import INTERRUPTED, not_judged, run_audit
from vllm_migrate.audit.support import check_support
from vllm_migrate.audit.sync.ways import parse_way
from vllm_migrate.cli.audit_apply import Apply, apply_report, apply_result, check_apply
from vllm_migrate.cli.audit_code import from_code as read_from_code
from vllm_migrate.cli.audit_figures import configured, print_plan, thresholds_for, with_looks
from vllm_migrate.cli.audit_output import AuditFormat, format_of, write_reports
from vllm_migrate.cli.audit_progress import ArmProgress
from vllm_migrate.cli.trace_options import (  # noqa: TC001 - typer reads the annotations
    AllowExpired,
    ExpiresDays,
    Fresh,
    PromptColumn,
    Redact,
    Resume,
    Strata,
)
from vllm_migrate.errors import ExitCode, UsageError, VllmMigrateError
from vllm_migrate.reward.load import parse_reward
from vllm_migrate.trace.expiry import DEFAULT_DAYS
from vllm_migrate.workers.protocol import SamplingSettings


class LadderMode(str, Enum):
    """How many settings are changed to find a cause."""

    AUTO = "auto"
    ALL = "all"
    NONE = "none"


class ScorePath(str, Enum):
    """Where logprobs of given tokens come from."""

    DECODE = "decode"
    PREFILL = "prefill"


class HeadPrecision(str, Enum):
    """What a trainer's last projection is computed in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class SyncProbing(str, Enum):
    """Which weight updates are tried in the candidate's live engine."""

    AUTO = "auto"
    ALL = "all"
    NONE = "none"


_EXIT = {Verdict.PASS: ExitCode.CLEAN, Verdict.FAIL: ExitCode.FINDINGS}


def audit(
    context: typer.Context,
    *,
    model: Annotated[Path | None, typer.Option(help="Directory of the checkpoint.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Prompts: JSON Lines, Parquet, a datasets directory, or text.", rich_help_panel="Prompts"
        ),
    ] = None,
    prompt_column: PromptColumn = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use N of the prompts.", rich_help_panel="Prompts")
    ] = None,
    strata: Strata = 4,
    samples: Annotated[int, typer.Option(help="Completions per prompt.")] = 8,
    temperature: Annotated[float, typer.Option(help="Sampling temperature.")] = 0.7,
    top_p: Annotated[float, typer.Option(help="Nucleus; 1 is off.")] = 0.9,
    top_k: Annotated[int, typer.Option(help="Most likely tokens kept; -1 is off.")] = 50,
    min_p: Annotated[float, typer.Option(help="Least share of the top token's probability; 0 is off.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="1 is off.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Longest completion.")] = 64,
    seed: Annotated[int, typer.Option(help="Of sampling and resampling.")] = 0,
    clip_range: Annotated[float, typer.Option(help="Your objective's clip range.")] = 0.2,
    clip_range_high: Annotated[float | None, typer.Option(help="Its upper side, where it differs.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="ppo, grpo, gspo, cispo or reinforce: what your clip range clips; brings its usual range.",
            rich_help_panel="Figures",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Margins: bf16, fp8, moe or strict-bitwise.", rich_help_panel="Figures"),
    ] = None,
    extend_until_decided: Annotated[
        bool,
        typer.Option(
            "--extend-until-decided",
            help="Look at a quarter of the prompts, then at more, until PASS or FAIL; at most four looks.",
            rich_help_panel="Figures",
        ),
    ] = False,
    time_budget: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Begin no further look that would end beyond this: 90s, 10m, 2h.",
            rich_help_panel="Figures",
        ),
    ] = None,
    plan_only: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Say how many prompts and tokens a resolution needs, and how long it takes; run nothing.",
            rich_help_panel="Figures",
        ),
    ] = False,
    detect: Annotated[
        float,
        typer.Option(
            help="With --plan: excess of mean |dlogp| over its margin to tell, nats.",
            rich_help_panel="Figures",
        ),
    ] = 0.005,
    detect_reward: Annotated[
        float,
        typer.Option(help="With --plan: difference of rewards to rule out.", rich_help_panel="Figures"),
    ] = 0.02,
    v0: Annotated[str, typer.Option(help="The reference engine.")] = "v0",
    v1: Annotated[str, typer.Option(help="The candidate engine, such as v1 or v1@0.18.1.")] = "v1",
    v0_args: Annotated[
        list[str] | None, typer.Option(help="LLM arguments of the reference: JSON object or key=value.")
    ] = None,
    v1_args: Annotated[
        list[str] | None, typer.Option(help="LLM arguments of the candidate: JSON object or key=value.")
    ] = None,
    from_code: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH[:LINE]",
            help="Take engine arguments, sampling and clip range from this file or directory; options given"
            " here win. Repeatable: the settings file in use, the line of the sampling parameters.",
            rich_help_panel="Your code",
        ),
    ] = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Write the settings found into the code of --from-code; shows the diff and asks first.",
            rich_help_panel="Your code",
        ),
    ] = False,
    apply_from: Annotated[
        Path | None,
        typer.Option(
            metavar="REPORT.json",
            help="Write what an earlier audit found, from its JSON report; runs no engine.",
            rich_help_panel="Your code",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write without asking.", rich_help_panel="Your code")
    ] = False,
    allow_dirty: Annotated[
        bool,
        typer.Option(
            "--allow-dirty",
            help="Also over changes that git has not committed.",
            rich_help_panel="Your code",
        ),
    ] = False,
    ladder: Annotated[
        LadderMode,
        typer.Option(
            help="Settings to change one by one to find a cause: what has a chance, all, or none.",
            rich_help_panel="Cause",
        ),
    ] = LadderMode.AUTO,
    earn_speed: Annotated[
        bool,
        typer.Option(
            "--earn-speed",
            help="Time what parity turns off, and say which of it keeps the signal.",
            rich_help_panel="Cause",
        ),
    ] = False,
    v1_sampling: Annotated[
        list[str] | None,
        typer.Option(
            help="Sampling settings of the candidate's requests where they differ: JSON object or key=value.",
            rich_help_panel="Cause",
        ),
    ] = None,
    v1_scores: Annotated[
        ScorePath,
        typer.Option(
            help="Where your code takes the candidate's logprobs from: decode, or prefill (prompt_logprobs).",
            rich_help_panel="Cause",
        ),
    ] = ScorePath.DECODE,
    trainer_head: Annotated[
        HeadPrecision | None,
        typer.Option(
            help="Precision of your trainer's head; an engine with another then fails.",
            rich_help_panel="Trainer",
        ),
    ] = None,
    sync_probe: Annotated[
        SyncProbing,
        typer.Option(
            help="Weight updates to try in the live engine: the usual ones, all, or none.",
            rich_help_panel="Weight sync",
        ),
    ] = SyncProbing.AUTO,
    sync: Annotated[
        str | None,
        typer.Option(
            help="How your code brings in weights, such as reload+reset or pause-keep; that gates.",
            rich_help_panel="Weight sync",
        ),
    ] = None,
    reward: Annotated[
        str | None, typer.Option(help="Reward function in TRL's form, file.py:function.")
    ] = None,
    require_reward: Annotated[
        bool, typer.Option("--require-reward", help="Let the reward's verdict gate, too.")
    ] = False,
    reference: Annotated[Path | None, typer.Option(help="Use a recorded reference instead of V0.")] = None,
    save_reference: Annotated[Path | None, typer.Option(help="Record the reference here.")] = None,
    expires_days: ExpiresDays = DEFAULT_DAYS,
    allow_expired: AllowExpired = False,
    redact: Redact = False,
    resume: Resume = None,
    fresh: Fresh = False,
    output_format: Annotated[AuditFormat, typer.Option(help="What to print.")] = AuditFormat.TEXT,
    output_file: Annotated[
        list[Path] | None, typer.Option(help="Also write a report here; its suffix says which. Repeatable.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Replay the same prompts through V0 and V1, and judge V1."""
    files = [(path, format_of(path)) for path in output_file or ()]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a runner that gives up still gets its reports
    plan: AuditPlan | None = None
    writing = Apply(apply, yes=yes, allow_dirty=allow_dirty)
    if apply_from is not None:
        raise typer.Exit(apply_report(apply_from, from_code, v1, writing))
    try:
        if model is None:
            raise UsageError("--model is missing", hint="the directory of the checkpoint")
        check_apply(writing, from_code)
        code = read_from_code(context, from_code, v1, quiet=quiet)
        config = configured()
        plan = build_plan(
            model=model,
            prompts=()
            if prompts is None
            else read_prompts(prompts, limit=limit, column=prompt_column, strata=strata, seed=seed),
            sampling=code.sampling(
                SamplingSettings(
                    temperature=temperature,
                    top_p=top_p,
                    top_k=top_k,
                    min_p=min_p,
                    repetition_penalty=repetition_penalty,
                    max_tokens=max_tokens,
                )
            ),
            samples=samples,
            seed=seed,
            clip=code.clip(clip_range, clip_range_high, objective or config.audit.objective or None),
            thresholds=thresholds_for(profile, config),
            v0=v0,
            v1=v1,
            v0_args=parse_arguments(v0_args or ()),
            candidate_args=code.arguments(parse_arguments(v1_args or ())),
            reward=None if reward is None else parse_reward(reward),
            require_reward=require_reward,
            reference=reference,
            save_reference=save_reference,
            warnings=code.warnings,
            may_lack_prompts=plan_only,
        )
        plan = with_looks(plan, extend=extend_until_decided, time_budget=time_budget)
        plan = with_cause_options(
            plan,
            ladder=ladder.value,
            sampling=v1_sampling or (),
            scores=v1_scores.value,
            earn_speed=earn_speed,
        )
        way = code.option("sync", sync)
        plan = replace(
            plan,
            sync_probe=sync_probe.value,
            sync_way=None if way is None else parse_way(way),
            trainer_head="" if trainer_head is None else trainer_head.value,
        )
        plan = replace(plan, expires_days=expires_days, allow_expired=allow_expired, redact=redact)
        plan = check_support(replace(plan, resume=resume, fresh=fresh, strata=max(1, strata)))
        if plan_only:
            print_plan(plan, detect=detect, detect_reward=detect_reward)
            raise typer.Exit
        with ArmProgress(quiet=quiet) as progress:
            result = code.in_result(run_audit(plan, progress))
    except VllmMigrateError as error:
        result = not_judged(plan, error.reason, error.message, error.hint)
    except KeyboardInterrupt:
        result = not_judged(plan, INTERRUPTED, "interrupted")
    if redact:
        result = redacted_result(result)
    write_reports(result, output_format, files)
    judged = _EXIT.get(result.verdict, ExitCode.NOT_JUDGED) if result.verdict else ExitCode.NOT_JUDGED
    raise typer.Exit(apply_result(result, writing, v1) or judged)
