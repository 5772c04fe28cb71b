"""Takes what a prompt or a completion says out of a result that is to be shared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.audit.result import Arm, AuditResult

HIDDEN = "(redacted)"


def redacted_result(result: AuditResult) -> AuditResult:
    """The result without token texts and their surroundings.

    What remains: every figure, where the tokens stand that moved most, and their logprobs.
    """
    report = result.reward_check
    if report is not None:
        checks = tuple(replace(check, message=HIDDEN, worst=()) for check in report.checks)
        report = replace(report, checks=checks)
    return replace(result, arms=tuple(map(_arm, result.arms)), reward_check=report)


def _arm(arm: Arm) -> Arm:
    worst = tuple(replace(token, token=HIDDEN, before=(), after=()) for token in arm.worst)
    return replace(arm, worst=worst)
