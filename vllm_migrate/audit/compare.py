"""The audit's verdict from two traces, without any engine: a reference, and a candidate that followed it."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.cause.attribution import raw_signature
from vllm_migrate.audit.conclude import named_by_numbers
from vllm_migrate.audit.evidence import (
    CANDIDATE,
    NOISE_FLOOR,
    REFERENCE,
    EngineRun,
    Evidence,
    flat,
    raw,
    recorded_run,
    reported,
)
from vllm_migrate.audit.plan import build_plan
from vllm_migrate.audit.reference import AGAIN
from vllm_migrate.audit.reward_check import with_reward_checked
from vllm_migrate.audit.run import concluded
from vllm_migrate.errors import UsageError
from vllm_migrate.prompts.files import PromptLine
from vllm_migrate.reward.calling.rollouts import score_rollouts
from vllm_migrate.trace.digest import tokens_digest
from vllm_migrate.trace.expiry import check_expiry
from vllm_migrate.trace.parquet import read_trace
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vllm_migrate.audit.figures.metrics import ClipRange
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.reward.calling.named_reward import RewardFunction
    from vllm_migrate.trace.model import Rollout, Trace

_FOLLOW = "record it with `vllm-migrate record --follow {}`"
_SAME = ("weights", "tokenizer", "chat_template")


def compare_traces(
    reference: Path,
    candidate: Path,
    *,
    clip: ClipRange,
    model: Path | None = None,
    reward: RewardFunction | None = None,
    require_reward: bool = False,
    check_reward: bool = False,
    allow_expired: bool = False,
) -> AuditResult:
    """Judge a recorded candidate against a recorded reference.

    What needs an engine is absent: the remedy, the ladder and the weight sync probe.

    Args:
        reference: V0's trace.
        candidate: one that was recorded with `--follow` of it.
        clip: the user's clip range.
        model: directory of the checkpoint, for token texts only.
        reward: scores both sides' completions; not for redacted traces.
        require_reward: whether its verdict gates.
        check_reward: whether it is asked itself, on the reference's completions.
        allow_expired: whether an expired reference will do.

    Raises:
        InputError: a trace can't be read.
        UsageError: the two don't belong together, or the reference has expired.
    """
    started = time.monotonic()
    theirs, ours = read_trace(reference), read_trace(candidate)
    check_expiry(theirs.provenance, reference, allowed=allow_expired)
    check_pair(theirs, ours, reference, candidate)
    hidden = theirs.provenance.redacted or ours.provenance.redacted
    if reward is not None and hidden:
        raise UsageError("--reward needs texts, and a redacted trace has none")
    plan = _plan(
        theirs, ours, reference, clip=clip, reward=reward, require_reward=require_reward, model=model
    )
    plan = replace(plan, redact=hidden, check_reward=check_reward)
    evidence = Evidence(theirs, _arms(plan, theirs, ours))
    result = with_reward_checked(plan, theirs, _with_signature(concluded(plan, evidence), evidence))
    return replace(result, timing={**result.timing, "total": round(time.monotonic() - started, 3)})


def _with_signature(result: AuditResult, evidence: Evidence) -> AuditResult:
    """The result with raw logprobs named as the cause where the candidate's are its own raw ones.

    An audit proves it by changing the setting; here the two sets of numbers stand side by side in the trace.
    """
    run, trace = evidence.arms[CANDIDATE], evidence.trace
    on_probe = bool(run.probe)
    records = run.probe if on_probe else run.replay
    sampled = flat(rollout.logprobs for rollout in (trace.probe if on_probe else trace.rollouts))
    signature = raw_signature(reported(records), raw(records), sampled)
    said = "the candidate's logprobs are its own raw ones, by their numbers"
    return named_by_numbers(result, signature, said)


def check_pair(reference: Trace, candidate: Trace, first: Path, second: Path) -> None:
    """Refuse two traces of which one did not follow the other.

    Raises:
        UsageError: says which of them to record again.
    """
    theirs, ours = reference.provenance, candidate.provenance
    if theirs.follows:
        raise UsageError(
            f"{first} holds a candidate's replay, not a reference", hint="give the reference first"
        )
    if not reference.noise_floor:
        raise UsageError(f"{first} holds no noise floor", hint=AGAIN)
    if not ours.follows:
        raise UsageError(
            f"{second} holds tokens of its own: two engines are compared on the same tokens",
            hint=_FOLLOW.format(first),
        )
    if ours.follows != tokens_digest(reference) or tokens_digest(candidate) != ours.follows:
        raise UsageError(f"{second} followed another reference than {first}", hint=_FOLLOW.format(first))
    for name in _SAME:
        if theirs.weights and getattr(theirs, name) != getattr(ours, name):
            raise UsageError(f"{first} and {second} were recorded with different {name.replace('_', ' ')}")
    if theirs.model != ours.model:
        raise UsageError(f"{first} and {second} were recorded with different models or configurations")
    if theirs.sampling != ours.sampling or theirs.samples != ours.samples:
        raise UsageError(f"{first} and {second} were recorded with different sampling settings")


def _plan(
    theirs: Trace,
    ours: Trace,
    reference: Path,
    *,
    clip: ClipRange,
    reward: RewardFunction | None,
    require_reward: bool,
    model: Path | None,
) -> AuditPlan:
    made = theirs.provenance
    known = {field.name for field in fields(wire.SamplingSettings)}
    return build_plan(
        model=model or reference.parent,
        prompts=tuple(PromptLine(prompt.text, prompt.token_ids, prompt.columns) for prompt in theirs.prompts),
        sampling=wire.SamplingSettings(**{key: made.sampling[key] for key in known & set(made.sampling)}),
        samples=made.samples,
        seed=made.seed,
        clip=clip,
        v0=made.engine,
        v1=ours.provenance.engine,
        candidate_args=ours.provenance.engine_args,
        v0_args=made.engine_args,
        reward=reward,
        require_reward=require_reward,
        reference=reference,
        warnings=("offline: the remedy, the ladder and the weight sync probe need engines, so `audit`",),
    )


def _arms(plan: AuditPlan, theirs: Trace, ours: Trace) -> dict[str, EngineRun]:
    reference, candidate = recorded_run(theirs), recorded_run(ours)
    candidate.name = CANDIDATE
    candidate.replay = [_record(rollout) for rollout in ours.rollouts]
    candidate.probe = [_record(rollout) for rollout in ours.probe]
    candidate.rollouts = ours.free
    candidate.greedy = ours.greedy
    candidate.trainer = _trainer(ours.free)
    reference.trainer = _trainer(ours.rollouts)
    reference.trainer_probe = _trainer(ours.probe)
    if plan.reward is not None:
        reference.rewards = score_rollouts(plan.reward, theirs.prompts, theirs.rollouts)
        candidate.rewards = score_rollouts(plan.reward, theirs.prompts, ours.free)
    return {REFERENCE: reference, NOISE_FLOOR: _noise_floor(theirs), CANDIDATE: candidate}


def _noise_floor(trace: Trace) -> EngineRun:
    """The reference's replay of its own tokens, as the arm that it was."""
    run = replace(recorded_run(trace), name=NOISE_FLOOR, rollouts=())
    run.replay = [_forced(r, floor) for r, floor in zip(trace.rollouts, trace.noise_floor, strict=True)]
    if len(trace.probe_noise_floor) == len(trace.probe):
        run.probe = [_forced(r, floor) for r, floor in zip(trace.probe, trace.probe_noise_floor, strict=True)]
    return run


def _forced(rollout: Rollout, logprobs: Sequence[float]) -> wire.ReplayRecord:
    return wire.ReplayRecord(list(logprobs), [], list(rollout.token_ids))


def _record(rollout: Rollout) -> wire.ReplayRecord:
    return wire.ReplayRecord(
        list(rollout.logprobs),
        list(rollout.raw),
        list(rollout.token_ids),
        list(map(list, rollout.top_ids)),
        list(map(list, rollout.top_logprobs)),
    )


def _trainer(rollouts: Sequence[Rollout]) -> list[wire.ReplayRecord]:
    """The trainer's scores; none where any completion lacks them."""
    if not all(len(rollout.trainer) == len(rollout.token_ids) for rollout in rollouts):
        return []
    return [wire.ReplayRecord(list(r.trainer), list(r.trainer_raw), list(r.token_ids)) for r in rollouts]
