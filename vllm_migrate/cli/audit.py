"""`vllm-migrate audit`: is the training signal the same on V1?"""

from __future__ import annotations

import signal
from dataclasses import replace

import typer

from vllm_migrate.audit.arguments import parse_arguments
from vllm_migrate.audit.cause.options import with_cause_options
from vllm_migrate.audit.executors.opening import scale_of
from vllm_migrate.audit.gpu import MEMORY, PIPELINE, TENSOR, with_gpu_settings
from vllm_migrate.audit.plan import GREEDY_PROMPTS, AuditPlan, build_plan
from vllm_migrate.audit.redact import redacted_result
from vllm_migrate.audit.run import INTERRUPTED, not_judged, run_audit
from vllm_migrate.audit.support import check_support
from vllm_migrate.audit.sync.ways import parse_way
from vllm_migrate.cli import audit_options, live_options
from vllm_migrate.cli.audit_apply import Apply, apply_report, apply_result, check_apply
from vllm_migrate.cli.audit_code import from_code as read_from_code
from vllm_migrate.cli.audit_engines import engine_of
from vllm_migrate.cli.audit_figures import configured, print_plan, thresholds_for, with_looks
from vllm_migrate.cli.audit_output import write_audit_reports
from vllm_migrate.cli.audit_progress import ArmProgress
from vllm_migrate.cli.report_output import ReportFormat, exit_of, files_of
from vllm_migrate.errors import UsageError, VllmMigrateError
from vllm_migrate.prompts.files import read_prompts
from vllm_migrate.reward.calling.named_reward import parse_reward
from vllm_migrate.trace.expiry import DEFAULT_DAYS
from vllm_migrate.workers.protocol import SamplingSettings


def audit(
    context: typer.Context,
    *,
    model: audit_options.Model = None,
    v0: audit_options.V0 = "v0",
    v1: audit_options.V1 = "v1",
    v0_python: audit_options.V0Python = None,
    v1_python: audit_options.V1Python = None,
    v1_url: audit_options.V1Url = None,
    server_seeds: audit_options.ServerSeeds = None,
    v0_args: audit_options.V0Arguments = None,
    v1_args: audit_options.V1Arguments = None,
    gpu_memory_utilization: audit_options.GpuMemoryUtilization = None,
    tensor_parallel_size: audit_options.TensorParallelSize = None,
    pipeline_parallel_size: audit_options.PipelineParallelSize = None,
    seed: audit_options.Seed = 0,
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
    from_code: audit_options.FromCode = None,
    apply: audit_options.ApplyFound = False,
    apply_from: audit_options.ApplyFrom = None,
    yes: audit_options.Yes = False,
    allow_dirty: audit_options.AllowDirty = False,
    clip_range: live_options.ClipRange = 0.2,
    clip_range_high: live_options.ClipRangeHigh = None,
    objective: audit_options.Objective = None,
    profile: audit_options.Profile = None,
    extend_until_decided: audit_options.ExtendUntilDecided = False,
    time_budget: audit_options.TimeBudget = None,
    most_samples: audit_options.MostSamples = None,
    plan_only: audit_options.PlanOnly = False,
    detect: audit_options.Detect = 0.005,
    detect_reward: audit_options.DetectReward = 0.02,
    greedy: live_options.Greedy = GREEDY_PROMPTS,
    ladder: audit_options.Ladder = audit_options.LadderMode.AUTO,
    earn_speed: audit_options.EarnSpeed = False,
    v1_sampling: audit_options.V1Sampling = None,
    v1_scores: audit_options.V1Scores = audit_options.ScorePath.DECODE,
    trainer_head: audit_options.TrainerHead = None,
    sync_probe: audit_options.SyncProbe = audit_options.SyncProbing.AUTO,
    sync: audit_options.SyncWay = None,
    executor: audit_options.Executor = audit_options.ExecutorName.LOCAL,
    replicas: audit_options.Replicas = None,
    ray_address: audit_options.RayAddress = "",
    replica_cpus: audit_options.ReplicaCpus = None,
    reward: live_options.Reward = None,
    require_reward: live_options.RequireReward = False,
    check_reward: live_options.CheckReward = False,
    reference: audit_options.Reference = None,
    save_reference: audit_options.SaveReference = None,
    expires_days: live_options.ExpiresDays = DEFAULT_DAYS,
    allow_expired: live_options.AllowExpired = False,
    redact: live_options.Redact = False,
    resume: live_options.Resume = None,
    fresh: live_options.Fresh = False,
    output_format: live_options.OutputFormat = ReportFormat.TEXT,
    output_file: live_options.OutputFiles = None,
    quiet: live_options.NoProgress = False,
) -> None:
    """Replay the same prompts through V0 and V1, and judge V1."""
    files = files_of(output_file)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a runner that gives up still gets its reports
    plan: AuditPlan | None = None
    writing = Apply(apply, yes=yes, allow_dirty=allow_dirty)
    if apply_from is not None:
        v1 = engine_of(context, "v1", v1, v1_python)
        raise typer.Exit(apply_report(apply_from, from_code, v1, writing))
    try:
        v0 = engine_of(context, "v0", v0, v0_python)
        v1 = engine_of(context, "v1", v1, v1_python, v1_url)
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
        plan = with_looks(
            plan, extend=extend_until_decided, time_budget=time_budget, most_samples=most_samples
        )
        plan = with_cause_options(
            plan,
            ladder=ladder.value,
            sampling=v1_sampling or (),
            scores=v1_scores.value,
            earn_speed=earn_speed,
        )
        sizes = {TENSOR: tensor_parallel_size, PIPELINE: pipeline_parallel_size}
        plan = with_gpu_settings(plan, {MEMORY: gpu_memory_utilization, **sizes})
        way = code.option("sync", sync)
        if check_reward and reward is None:
            raise UsageError("--check-reward needs --reward file.py:function")
        plan = replace(
            plan,
            server_seeds=server_seeds,
            sync_probe=sync_probe.value,
            sync_way=None if way is None else parse_way(way),
            trainer_head="" if trainer_head is None else trainer_head.value,
            check_reward=check_reward,
            scale=scale_of(executor.value, replicas, address=ray_address, cpus=replica_cpus),
            strata=max(1, strata),
            greedy=greedy,
            expires_days=expires_days,
            allow_expired=allow_expired,
            redact=redact,
            resume=resume,
            fresh=fresh,
        )
        plan = check_support(plan)
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
    write_audit_reports(result, output_format, files)
    raise typer.Exit(apply_result(result, writing, v1) or exit_of(result.verdict))
