"""Whether a recorded reference answers the question that is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.errors import UsageError
from vllm_migrate.trace.expiry import check_expiry
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.trace.checkpoint import CheckpointHashes
    from vllm_migrate.trace.model import Provenance, Trace

AGAIN = "record it again with `vllm-migrate record`"
_PARTS = (("weights", "weights"), ("tokenizer", "a tokenizer"), ("chat_template", "a chat template"))


def check_reference(plan: AuditPlan, trace: Trace, hashes: CheckpointHashes) -> None:
    """Refuse a reference that was recorded with something else than is asked about.

    Raises:
        UsageError: other weights, tokenizer, chat template, sampling, samples or prompts; redacted; expired;
            or without a noise floor.
    """
    path, made = plan.reference, trace.provenance
    assert path is not None  # noqa: S101 - for the type checker; only a plan with a reference comes here
    if made.redacted:
        raise UsageError(f"{path} is redacted: it holds no tokens to replay", hint="record without --redact")
    if made.follows:
        raise UsageError(
            f"{path} holds a candidate's replay, not a reference",
            hint="give the trace that it was recorded with --follow of",
        )
    check_expiry(made, path, allowed=plan.allow_expired)
    check_model(made, hashes, path)
    _check_sampling(plan, made, path)
    if plan.prompts and not _same_prompts(plan, trace):
        raise UsageError(f"--prompts differ from those that {path} was recorded with")
    if not trace.noise_floor:
        raise UsageError(f"{path} holds no noise floor", hint=AGAIN)


def check_model(made: Provenance, hashes: CheckpointHashes, path: Path) -> None:
    """Refuse a trace of another checkpoint; the message says which part of it differs.

    Raises:
        UsageError: it is another one.
    """
    for name, words in _PARTS:
        recorded, present = getattr(made, name), getattr(hashes, name)
        if made.weights and recorded != present:  # traces without parts have the digest of the whole only
            raise UsageError(
                f"{path} was recorded with {_other(name, words, recorded, present)}:"
                f" SHA-256 {recorded[:12] or 'none'} instead of {present[:12] or 'none'}",
                hint=AGAIN,
            )
    if made.model != hashes.model:
        raise UsageError(
            f"{path} was recorded with another model or configuration:"
            f" SHA-256 {made.model[:12]} instead of {hashes.model[:12]}",
            hint=AGAIN,
        )


def _other(name: str, words: str, recorded: str, present: str) -> str:
    if not present:
        return f"{words} that --model does not have"
    if not recorded:
        return f"no {name.replace('_', ' ')}"
    return "other weights" if name == "weights" else f"another {name.replace('_', ' ')}"


def _check_sampling(plan: AuditPlan, made: Provenance, path: Path) -> None:
    for name, value in wire.to_wire(plan.sampling).items():
        if name != "seed" and made.sampling.get(name) != value:
            raise UsageError(
                f"{path} was recorded with {name}={made.sampling.get(name)!r}, not {value!r}",
                hint="give the same sampling options, or record it again with these",
            )
    if made.samples != plan.samples:
        raise UsageError(f"{path} was recorded with --samples {made.samples}, not {plan.samples}")
    if plan.probe is not None and wire.to_wire(plan.probe) != made.probe_sampling:
        raise UsageError(f"{path} holds no semantic probe of this kind", hint=AGAIN)


def _same_prompts(plan: AuditPlan, trace: Trace) -> bool:
    return len(plan.prompts) == len(trace.prompts) and all(
        (line.token_ids or kept.token_ids) == kept.token_ids
        and line.messages == kept.messages
        and line.template_arguments == kept.template_arguments
        and (line.text == kept.text or bool(line.messages))
        for line, kept in zip(plan.prompts, trace.prompts, strict=True)
    )
