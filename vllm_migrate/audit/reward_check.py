"""Asks the reward that an audit uses whether it can be trained against, on the reference's own rollouts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import VllmMigrateError
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.examine import examine
from vllm_migrate.reward.outcome import Outcome, RewardReport
from vllm_migrate.reward.read import from_trace
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.trace.model import Trace

CHEAP = (
    "contract",
    "determinism",
    "saturation",
    "groups",
    "resolution",
    "leakage",
    "length",
    "empty",
    "master-keys",
)
"""Probes that ask about few texts, or about none but the rollouts."""
MOST = 16
REASON = "reward-integrity"
UNEXAMINED = (
    "that the reward can be trained against: it was not examined itself, which `vllm-migrate reward` does in "
    "full and `audit --check-reward` in short"
)


def with_reward_checked(
    plan: AuditPlan, trace: Trace, result: AuditResult, progress: Progress | None = None
) -> AuditResult:
    """The result with what the cheap probes say of the reward, or with a note that none were asked.

    A reward that fails makes the audit fail only where `plan.require_reward` lets rewards gate.
    """
    if plan.reward is None:
        return result
    if not plan.check_reward:
        return replace(result, assumptions=(*result.assumptions, UNEXAMINED))
    report = _examined(plan, trace, progress)
    result = replace(result, reward_check=report)
    if not plan.require_reward or report.verdict is not Verdict.FAIL or result.verdict is None:
        return result
    reason = result.reason if result.verdict is Verdict.FAIL else REASON
    return replace(result, verdict=Verdict.FAIL, reason=reason)


def _examined(plan: AuditPlan, trace: Trace, progress: Progress | None) -> RewardReport:
    """What the probes found; what keeps them from asking is a report without a verdict."""
    if plan.reward is None:
        raise AssertionError
    name = plan.reward.short

    def told(probe: str, done: int, total: int) -> None:
        if progress is not None:
            progress("reward", probe, done, total)

    try:
        with closing(FunctionScorer(plan.reward)) as scorer:
            report = examine(
                scorer,
                from_trace(trace),
                reward=name,
                source="the reference's rollouts",
                select=CHEAP,
                seed=plan.seed,
                most=MOST,
                progress=told,
            )
            asked = tuple(check for check in report.checks if check.outcome is not Outcome.OFF)
            # The audit's report shows both sides' rewards.
            return replace(report, checks=asked, rewards=(), curve=None)
    except VllmMigrateError as error:
        return RewardReport(name, "function", None, error.reason, message=error.message, hint=error.hint)
