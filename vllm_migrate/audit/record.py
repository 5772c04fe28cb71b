"""Records one side of an audit: the reference by V0, or a candidate's replay of a recorded reference."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.emulated import EMULATED, emulated_plan, stand_in
from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.gather import IncompleteError, gather
from vllm_migrate.audit.journal import open_journal
from vllm_migrate.audit.plan import build_plan
from vllm_migrate.audit.provenance import provenance_of
from vllm_migrate.engines import registry
from vllm_migrate.engines.endpoint.api import FORCED
from vllm_migrate.engines.endpoint.find import DEVICE
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.trace.checkpoint import hash_parts
from vllm_migrate.trace.digest import tokens_digest
from vllm_migrate.trace.model import Trace
from vllm_migrate.trace.parquet import read_trace, write_trace
from vllm_migrate.trace.redact import redacted
from vllm_migrate.trace.seal import sealed
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vllm_migrate.audit.evidence import EngineRun, Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import Progress
    from vllm_migrate.trace.model import Rollout

_ALONE: dict[str, Any] = {"remedy_additions": {}, "ladder": "none", "sync_probe": "none", "earn_speed": False}


def following_plan(
    reference: Path, *, model: Path, engine: str, arguments: dict[str, Any], allow_expired: bool = False
) -> AuditPlan:
    """The plan that replays a recorded reference's tokens through another engine.

    Sampling, samples and seed are the reference's own.

    Args:
        reference: the trace to follow.
        model: directory of the same checkpoint.
        engine: a V1 engine as the registry resolves it.
        arguments: for its `LLM(...)`.
        allow_expired: whether an expired reference will do.

    Raises:
        InputError: the trace can't be read.
    """
    made = read_trace(reference).provenance
    return replace(
        build_plan(
            model=model,
            prompts=(),
            sampling=wire.SamplingSettings(**made.sampling),
            samples=made.samples,
            seed=made.seed,
            clip=ClipRange(),
            v0=made.engine,
            v1=engine,
            candidate_args=arguments,
            reference=reference,
        ),
        allow_expired=allow_expired,
    )


def record(plan: AuditPlan, output: Path, progress: Progress) -> Trace:
    """Record what the plan asks for: with `plan.reference` a candidate's replay of it, else the reference.

    Args:
        plan: its arms beyond the recorded side are left out.
        output: where to write.
        progress: told what the arms do.

    Returns:
        The trace as it was written.

    Raises:
        VllmMigrateError: an engine, the model, the prompts or the output is not as it should be.
    """
    if not output.absolute().parent.is_dir():
        raise UsageError(f"no directory to write {output} in")
    if not (plan.model / "config.json").is_file():
        raise InputError(
            f"no model at {plan.model}: config.json is missing",
            hint="give --model a local checkpoint's directory",
        )
    alone = replace(emulated_plan(plan), **_ALONE)
    trace = _reference(alone, progress) if plan.reference is None else _candidate(alone, progress)
    trace = redacted(trace) if plan.redact else trace
    write_trace(trace, output)
    return trace


def _reference(plan: AuditPlan, progress: Progress) -> Trace:
    emulated = plan.v0 == EMULATED
    engine = stand_in(registry.require(plan.v1)) if emulated else registry.require(plan.v0)
    if engine.generation != "v0" and not emulated:
        raise UsageError(
            f"--engine {plan.v0} is a {engine.generation.upper()} engine; the reference must be V0",
            hint="give --follow REFERENCE to record a candidate",
        )
    journal = open_journal(plan, (engine,))
    with _whole(), journal:
        trace = gather(plan, v0=engine, v1=None, trace=None, journal=journal, progress=progress).trace
        journal.finish()
    return trace


def _candidate(plan: AuditPlan, progress: Progress) -> Trace:
    engine = registry.require(plan.v1)
    if engine.generation != "v1":
        raise UsageError(f"--engine {plan.v1} is a {engine.generation.upper()} engine; --follow needs V1")
    if engine.device == DEVICE:
        raise UsageError(f"--follow needs forced replay: {FORCED}")
    assert plan.reference is not None  # noqa: S101 - for the type checker; `record` comes here only then
    reference = read_trace(plan.reference)
    journal = open_journal(plan, (engine,))
    with _whole(), journal:
        evidence = gather(plan, v0=None, v1=engine, trace=reference, journal=journal, progress=progress)
        journal.finish()
    return sealed(candidate_trace(plan, evidence), hash_parts(plan.model), plan.expires_days)


@contextmanager
def _whole() -> Iterator[None]:
    """A record is of one side only: without all of it there is nothing to keep but what the journal has."""
    try:
        yield
    except IncompleteError as error:
        raise error.cause from None


def candidate_trace(plan: AuditPlan, evidence: Evidence) -> Trace:
    """The candidate's side of an audit as a trace, not yet sealed.

    Its rollouts are the reference's tokens with the candidate's logprobs; beside them the trainer's of the
    same tokens, and under `free` what the candidate sampled itself.
    """
    run, reference, trace = evidence.arms[CANDIDATE], evidence.arms[REFERENCE], evidence.trace
    made = provenance_of(plan, run, follows=tokens_digest(trace))
    return Trace(
        made,
        trace.prompts,
        _replayed(trace.rollouts, run.replay, reference.trainer),
        probe=_replayed(trace.probe, run.probe, reference.trainer_probe),
        free=_scored(run),
        greedy=run.greedy,
    )


def _replayed(
    rollouts: Sequence[Rollout], records: Sequence[wire.ReplayRecord], trainer: Sequence[wire.ReplayRecord]
) -> tuple[Rollout, ...]:
    if len(records) != len(rollouts):
        return ()
    scores = trainer if len(trainer) == len(rollouts) else [None] * len(rollouts)
    return tuple(
        replace(
            rollout,
            logprobs=tuple(record.logprobs),
            raw=tuple(record.raw),
            top_ids=tuple(map(tuple, record.top_ids)),
            top_logprobs=tuple(map(tuple, record.top_logprobs)),
            trainer=() if score is None else tuple(score.logprobs),
            trainer_raw=() if score is None else tuple(score.raw),
        )
        for rollout, record, score in zip(rollouts, records, scores, strict=True)
    )


def _scored(run: EngineRun) -> tuple[Rollout, ...]:
    if len(run.trainer) != len(run.rollouts):
        return run.rollouts
    return tuple(
        replace(rollout, trainer=tuple(score.logprobs), trainer_raw=tuple(score.raw))
        for rollout, score in zip(run.rollouts, run.trainer, strict=True)
    )
