"""One audit from plan to result. Whatever happens, a result comes out."""

from __future__ import annotations

import os
import resource
import time
import traceback
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from vllm_migrate import __version__
from vllm_migrate.audit.cause.afterwards import complete
from vllm_migrate.audit.conclude import conclude
from vllm_migrate.audit.decide.costs import remember
from vllm_migrate.audit.decide.extend import run_looks
from vllm_migrate.audit.emulated import EMULATED, apply_stand_in, emulated_plan, stand_in
from vllm_migrate.audit.endpoint import apply_endpoint, endpoint_plan
from vllm_migrate.audit.executors.opening import opened
from vllm_migrate.audit.gather import IncompleteError, gather, without_verdict
from vllm_migrate.audit.journal import Journal, open_journal
from vllm_migrate.audit.result import AuditResult, Cause
from vllm_migrate.audit.reward_check import with_reward_checked
from vllm_migrate.audit.sync.head_invariant import apply_head
from vllm_migrate.audit.sync.invariants import apply_findings, conclude_sync
from vllm_migrate.engines.endpoint.seeds import with_seeds
from vllm_migrate.errors import InputError, UsageError, VllmMigrateError
from vllm_migrate.reward.calling.score import score
from vllm_migrate.reward.calling.texts import Texts
from vllm_migrate.trace.checkpoint import read_vocabulary
from vllm_migrate.trace.parquet import read_trace, write_trace
from vllm_migrate.trace.redact import redacted
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.executors.executor import Executor
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Trace

INTERRUPTED = "interrupted"
INTERNAL = "internal"


def run_audit(plan: AuditPlan, progress: Progress) -> AuditResult:
    """Run a plan.

    Never raises: an error of ours, a Ctrl-C and a defect each become a result without a verdict, whose
    `reason` says which, so that the JSON report can be written whatever happened. No engine is left running.
    """
    started = time.monotonic()
    cpu = _cpu_seconds()
    try:
        result = _run(plan, progress)
    except VllmMigrateError as error:
        result = not_judged(plan, error.reason, error.message, error.hint)
    except KeyboardInterrupt:
        result = not_judged(plan, INTERRUPTED, "interrupted")
    except Exception as error:  # noqa: BLE001 - a defect of ours must still leave a report
        where = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{os.path.basename(where.filename)}:{where.lineno}"  # noqa: PTH119 - a name, not a path to follow
        result = not_judged(plan, INTERNAL, f"internal error at {at}: {type(error).__name__}: {error}")
    timing = {
        **result.timing,
        "total": round(time.monotonic() - started, 3),
        "cpu": round(_cpu_seconds() - cpu, 3),
    }
    result = replace(result, timing=timing)
    remember(plan, result)
    return result


def not_judged(plan: AuditPlan | None, reason: str, message: str, hint: str = "") -> AuditResult:
    """The result of an audit that could not judge; without a plan, of one that could not even be planned."""
    return AuditResult(
        verdict=None,
        reason=reason,
        cause=Cause.NONE,
        cause_evidence="",
        settings={},
        remedy=None,
        reward=None,
        arms=(),
        timing={},
        model="" if plan is None else str(plan.model),
        sampling={} if plan is None else wire.to_wire(plan.sampling),
        clip_range=0.2 if plan is None else plan.clip.low,
        clip_range_high=0.2 if plan is None else plan.clip.high,
        prompts=0 if plan is None else len(plan.prompts),
        message=f"{message}\nhint: {hint}" if hint else message,
        warnings=() if plan is None else plan.warnings,
        tool=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _run(plan: AuditPlan, progress: Progress) -> AuditResult:
    plan = endpoint_plan(emulated_plan(plan))
    if not (plan.model / "config.json").is_file():
        raise InputError(
            f"no model at {plan.model}: config.json is missing",
            hint="give --model a local checkpoint's directory",
        )
    if plan.reward is not None:  # a function that can't even be imported should not cost minutes of engines
        score(plan.reward, Texts((), (), (), {}))
    if plan.save_reference is not None and not plan.save_reference.absolute().parent.is_dir():
        raise UsageError(f"no directory to write {plan.save_reference} in")
    with opened(plan) as (executor, possible):
        result = _run_in(executor, possible, progress)
    return replace(result, warnings=(*result.warnings, *executor.notes))


def _run_in(executor: Executor, plan: AuditPlan, progress: Progress) -> AuditResult:
    trace = None if plan.reference is None else read_trace(plan.reference)
    emulated = plan.v0 == EMULATED
    v0 = None if trace is not None or emulated else executor.require(plan.v0)
    v1 = with_seeds(executor.require(plan.v1), wanted=plan.server_seeds)
    if v0 is not None and v0.generation != "v0":
        raise UsageError(f"--v0 {plan.v0} has vLLM {v0.version}, a V1 engine; the reference must be V0")
    if v1.generation != "v1":
        raise UsageError(f"--v1 {plan.v1} has vLLM {v1.version}, a V0 engine; the candidate must be V1")
    if emulated and trace is None:
        v0 = stand_in(v1)
    if plan.extend:
        return _extended(plan, v0, v1, trace, progress, executor)
    journal = open_journal(plan, tuple(engine for engine in (v0, v1) if engine is not None))
    try:
        evidence = gather(
            plan, v0=v0, v1=v1, trace=trace, journal=journal, progress=progress, executor=executor
        )
        _save_reference(plan, evidence.trace)
        result = with_reward_checked(plan, evidence.trace, concluded(plan, evidence), progress)
        journal.finish()
    except IncompleteError as error:
        return without_verdict(plan, error, concluded)
    finally:
        journal.close()
    return replace(result, warnings=(*result.warnings, *journal.notes))


def _extended(  # noqa: PLR0917 - what one look needs
    plan: AuditPlan,
    v0: EngineEnvironment | None,
    v1: EngineEnvironment,
    trace: Trace | None,
    progress: Progress,
    executor: Executor,
) -> AuditResult:
    """Look until decided; every look has a journal of its own, so that a rerun continues with it."""
    engines = tuple(engine for engine in (v0, v1) if engine is not None)
    journals: list[Journal] = []

    def look(of_look: AuditPlan, part: Trace | None) -> Evidence:
        place = plan.resume and plan.resume / f"look-{len(journals) + 1}"
        journal = open_journal(replace(of_look, resume=place), engines)
        journals.append(journal)
        number = len(journals)

        def told(arm: str, what: str, done: int, total: int) -> None:
            progress(f"look {number}, {arm}", what, done, total)

        return gather(of_look, v0=v0, v1=v1, trace=part, journal=journal, progress=told, executor=executor)

    try:
        evidence, result = run_looks(plan, trace, look, concluded)
        result = with_reward_checked(plan, evidence.trace, result, progress)
        _save_reference(plan, evidence.trace)
        for journal in journals:
            journal.finish()
    except IncompleteError as error:
        return without_verdict(plan, error, concluded)
    finally:
        for journal in journals:
            journal.close()
    notes = dict.fromkeys(note for journal in journals for note in journal.notes)
    return replace(result, warnings=(*result.warnings, *notes))


def concluded(plan: AuditPlan, evidence: Evidence) -> AuditResult:
    """The result of evidence, with the time its statistics took."""
    started = time.monotonic()
    result = conclude(plan, evidence, read_vocabulary(plan.model))
    result = apply_findings(result, conclude_sync(evidence.sync, plan.sync_way))
    result = apply_head(result, plan.trainer_head, plan.candidate_args)
    result = apply_endpoint(result, plan, evidence)
    result = complete(result, plan, evidence)
    result = apply_stand_in(result, plan, evidence.trace.provenance)
    timing = {**evidence.timing, "statistics": round(time.monotonic() - started, 3)}
    return replace(
        result,
        timing=timing,
        tool=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _save_reference(plan: AuditPlan, trace: Trace) -> None:
    """Keep the reference where the plan wants it kept."""
    if plan.save_reference is not None:
        write_trace(redacted(trace) if plan.redact else trace, plan.save_reference)


def _cpu_seconds() -> float:
    """Processor time of this process and of every engine it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )
