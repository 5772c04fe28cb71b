"""An audit whose candidate is a running server: what is asked of it, and what its result may say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.cause.attribution import raw_signature
from vllm_migrate.audit.conclude import named_by_numbers
from vllm_migrate.audit.decide.judge import compare
from vllm_migrate.audit.emulated import EMULATED
from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE, flat, prompts_of, raw, reported
from vllm_migrate.audit.executors.executor import LOCAL
from vllm_migrate.audit.figures.diagnostics import conclude_diagnostics, of_rollouts
from vllm_migrate.audit.sections import Diagnostic
from vllm_migrate.engines.endpoint.api import FORCED
from vllm_migrate.engines.endpoint.client import RUNNER
from vllm_migrate.engines.endpoint.find import is_url
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from vllm_migrate.audit.evidence import EngineRun, Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.result import AuditResult

PROMPT_SCORES = "served_prompt_logprobs"
"""Name of the diagnostic: the server's `prompt_logprobs` against the trainer's raw ones."""


def endpoint_plan(plan: AuditPlan) -> AuditPlan:
    """The plan with what a running server can't do left out; other plans as they are.

    Raises:
        UsageError: something was asked for that it can't do.
    """
    if not is_url(plan.v1):
        return plan
    if plan.candidate_args:
        raise UsageError(
            f"engine arguments ({', '.join(plan.candidate_args)}) can't reach a server that runs already",
            hint="start it with them, and leave --v1-args out",
        )
    if plan.v0 == EMULATED and plan.reference is None:
        raise UsageError("--v0 emulated starts the candidate's engine, and --v1-url has none to start")
    if plan.scale.executor != LOCAL:
        raise UsageError("--executor ray starts replicas of an engine, and --v1-url has none to start")
    for asked, name in (
        (plan.ladder == "all", "--ladder all"),
        (plan.earn_speed, "--earn-speed"),
        (plan.sync_probe == "all" or plan.sync_way is not None, "--sync-probe all and --sync"),
        (plan.candidate_path != "decode", "--v1-scores prefill"),
    ):
        if asked:
            raise UsageError(f"{name} needs forced replay: {FORCED}")
    return replace(plan, remedy_additions={}, ladder="none", sync_probe="none")


def apply_endpoint(result: AuditResult, plan: AuditPlan, evidence: Evidence) -> AuditResult:
    """The result with what is special about a server: its limits, its signature, its prompt scores."""
    run = evidence.arms.get(CANDIDATE)
    if run is None or run.loaded.runner != RUNNER:
        return result
    warning = (
        f"judged through {run.loaded.settings.get('endpoint', 'an endpoint')} by its own tokens against the"
        f" trainer's forward alone: {FORCED}; ladder, remedy and weight updates were not tried"
    )
    result = replace(
        result,
        warnings=(*result.warnings, warning),
        diagnostics=(*result.diagnostics, *_diagnostics(plan, evidence, run)),
    )
    return _with_signature(result, run)


def _with_signature(result: AuditResult, run: EngineRun) -> AuditResult:
    """Raw logprobs named as the cause where the server's are the trainer's raw ones."""
    rollouts, trainer = (
        (run.probe_rollouts, run.trainer_probe) if run.probe_rollouts else (run.rollouts, run.trainer)
    )
    sampled = flat(rollout.logprobs for rollout in rollouts)
    signature = raw_signature(sampled, raw(trainer), reported(trainer))
    return named_by_numbers(
        result,
        signature,
        f"the server's logprobs are raw ones, by their numbers: mean |Δlogp| {signature.to_raw:.4f} from"
        f" the trainer's raw ones, {signature.to_reference:.3f} from what it samples from",
    )


def _diagnostics(plan: AuditPlan, evidence: Evidence, run: EngineRun) -> list[Diagnostic]:
    rollouts = evidence.trace.rollouts
    found = list(
        conclude_diagnostics(
            list(of_rollouts(rollouts, run.rollouts, seed=plan.seed)), plan.thresholds.diagnostics
        )
    )
    reference = evidence.arms.get(REFERENCE)
    expected = raw([] if reference is None else reference.trainer)
    scores = reported(run.prompt_scores)
    if len(scores) and len(scores) == len(expected):
        compared = compare(expected, scores, prompts_of(rollouts), clip=plan.clip, policy_is_other=False)
        found.append(
            Diagnostic(
                PROMPT_SCORES,
                compared.metrics.mean_abs,
                "nats",
                note="the server's prompt_logprobs of the reference's tokens, raw ones in vLLM V1, against"
                " the trainer's raw ones; a prefix cache may have served them",
            )
        )
    return found
