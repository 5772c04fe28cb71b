"""Gathers the evidence of a plan: the reference checked or run, the arms run, the trace sealed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.gpu import check_ranks
from vllm_migrate.audit.reference import check_reference
from vllm_migrate.audit.replay import Replay
from vllm_migrate.audit.result import Cause
from vllm_migrate.errors import EngineError, VllmMigrateError
from vllm_migrate.trace.checkpoint import hash_parts
from vllm_migrate.trace.seal import sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.executors.executor import Executor
    from vllm_migrate.audit.journal import Journal
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Trace


class IncompleteError(EngineError):
    """An arm failed; what the others measured is here.

    Attributes:
        cause: the error that ended it.
        evidence: of the arms that finished; the reference's at least.
        kept: names of the finished parts that a rerun will find.
    """

    def __init__(self, cause: VllmMigrateError, evidence: Evidence, kept: tuple[str, ...]) -> None:
        super().__init__(cause.message, hint=cause.hint)
        self.cause = cause
        self.evidence = evidence
        self.kept = kept


def gather(
    plan: AuditPlan,
    *,
    v0: EngineEnvironment | None,
    v1: EngineEnvironment | None,
    trace: Trace | None,
    journal: Journal,
    progress: Progress,
    executor: Executor | None = None,
) -> Evidence:
    """Run the arms of a plan.

    Args:
        plan: what to do.
        v0: of the reference, None where `trace` brings a recorded one.
        v1: of the candidate, None to record the reference only.
        trace: the recorded reference, where there is one; checked first.
        journal: of what is finished.
        progress: told what the arms do.
        executor: where the engines run; by default on this machine.

    Raises:
        UsageError: the recorded reference does not match, or this machine is too small for the engines.
        IncompleteError: an arm failed after the reference was complete.
        VllmMigrateError: whatever else went wrong.
    """
    check_ranks(plan, v0=v0, v1=v1)
    if trace is not None:
        hashes = hash_parts(plan.model)
        check_reference(plan, trace, hashes)
        replay = Replay(
            plan,
            model_hash=hashes.model,
            v0=None,
            v1=v1,
            trace=trace,
            progress=progress,
            journal=journal,
            executor=executor,
        )
        return _run(replay, journal)
    # Reading a large checkpoint takes as long as starting an engine, so both happen at once.
    with ThreadPoolExecutor(max_workers=1) as pool:
        hashing = pool.submit(hash_parts, plan.model)
        replay = Replay(
            plan,
            model_hash="",
            v0=v0,
            v1=v1,
            trace=None,
            progress=progress,
            journal=journal,
            executor=executor,
        )
        evidence = _run(replay, journal)
        evidence.trace = sealed(evidence.trace, hashing.result(), plan.expires_days)
    return evidence


def _run(replay: Replay, journal: Journal) -> Evidence:
    try:
        return replay.run()
    except VllmMigrateError as error:
        evidence = replay.finished
        if evidence is None:
            raise
        raise IncompleteError(error, evidence, journal.parts) from error


def without_verdict(
    plan: AuditPlan, failed: IncompleteError, conclude: Callable[[AuditPlan, Evidence], AuditResult]
) -> AuditResult:
    """The result of an audit of which an arm failed: no verdict, and what the other arms measured."""
    cause = failed.cause
    measured = conclude(plan, failed.evidence)
    message = cause.message if not cause.hint else f"{cause.message}\nhint: {cause.hint}"
    if failed.kept:
        message += f"; the same command continues from what is finished: {', '.join(failed.kept)}"
    return replace(
        measured,
        verdict=None,
        reason=cause.reason,
        cause=Cause.NONE,
        cause_evidence="",
        settings={},
        message=message,
    )
