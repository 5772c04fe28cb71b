"""What the evidence says about the cause: the ladder explained, hints in the numbers, the raw signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.cause import attribution
from vllm_migrate.audit.cause.explain import Explanation
from vllm_migrate.audit.cause.replay import ladder_tokens
from vllm_migrate.audit.cause.signatures import Hint, hints, lattice_hint, tokens_of
from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE, flat, prompts_of, raw, reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.decide.comparisons import Comparisons
    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.sections import Ladder
    from vllm_migrate.trace.model import Rollout
    from vllm_migrate.workers import protocol as wire


def explained(plan: AuditPlan, evidence: Evidence, comparisons: Comparisons) -> Ladder | None:
    """What was tried to explain the candidate's excess."""
    run, reference = evidence.ladder, evidence.arms.get(REFERENCE)
    if run is None:
        return None
    _, rollouts, sampling = ladder_tokens(plan, evidence.trace)
    floor = comparisons.probe_floor if run.on_probe else comparisons.floor
    trainer = [] if reference is None else reference.trainer_probe if run.on_probe else reference.trainer
    chosen = [rollouts[index] for index in run.chosen]
    scored = [trainer[index] for index in run.chosen] if len(trainer) == len(rollouts) else []
    return Explanation(
        run,
        flat(rollout.logprobs for rollout in chosen),
        prompts_of(chosen),
        floor=0.0 if floor is None else floor.metrics.mean_abs.value,
        trainer_raw=raw(scored),
        seed=plan.seed,
    ).ladder(_hints(evidence, rollouts, sampling, on_probe=run.on_probe))


def rounding(evidence: Evidence, comparisons: Comparisons) -> float:
    """How far the reference is from the trainer's float32 forward over the ladder's kind of tokens, nats."""
    on_probe = evidence.ladder is not None and evidence.ladder.on_probe
    found = comparisons.probe_trainer if on_probe else comparisons.against_trainer.get(REFERENCE)
    return 0.0 if found is None else found.metrics.mean_abs.value


def raw_signature(evidence: Evidence) -> attribution.Signature | None:
    """Whether the candidate's logprobs are its own raw ones."""
    candidate = evidence.arms.get(CANDIDATE)
    if candidate is None:
        return None
    on_probe = bool(candidate.probe)
    rollouts = evidence.trace.probe if on_probe else evidence.trace.rollouts
    records = candidate.probe if on_probe else candidate.replay
    tapped = raw(records)
    if not len(tapped):  # a runner that can't be tapped: the trainer's raw logprobs of the same tokens serve
        of_reference = evidence.arms.get(REFERENCE)
        if of_reference is None:
            return None
        tapped = raw(of_reference.trainer_probe if on_probe else of_reference.trainer)
    reference = flat(rollout.logprobs for rollout in rollouts)
    return attribution.raw_signature(reported(records), tapped, reference)


def _hints(
    evidence: Evidence, rollouts: Sequence[Rollout], sampling: wire.SamplingSettings, *, on_probe: bool
) -> list[Hint]:
    """What the candidate's numbers say about a cause by themselves."""
    candidate = evidence.arms.get(CANDIDATE)
    records = [] if candidate is None else candidate.probe if on_probe else candidate.replay
    if len(records) != len(rollouts):
        return []
    reference = flat(rollout.logprobs for rollout in rollouts)
    tokens = tokens_of(evidence.trace.prompts, rollouts, reference, reported(records))
    lattice = lattice_hint(
        [row for rollout in rollouts for row in rollout.top_logprobs],
        [row for record in records for row in record.top_logprobs],
        temperature=sampling.temperature,
    )
    return [*hints(tokens, sampling), *([] if lattice is None else [lattice])]
