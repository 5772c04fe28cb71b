"""Whether the engines and the trainer compute the last projection in one precision.

A head in float32 pays on both sides or on none: in trials, float32 in the engine alone took its mean distance
to a bfloat16 trainer from 2.1e-3 to 2.9e-3 nats, on both sides to 5e-4. So the remedy is float32 on both.
Figures as small as these are within the margins, so the precision gates by itself, as the live engines tell
it. Where the trainer's is not known it is taken to be what the reference's was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE
from vllm_migrate.audit.result import Cause
from vllm_migrate.audit.sections import Advice, Invariant
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Engine, Subject
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.audit.result import AuditResult

NAME = "one-head-precision"
FLOAT32 = "float32"
_FACT = "fp32-head"
_OVERRIDE = "hf_overrides"


def apply_head(result: AuditResult, trainer: str, arguments: Mapping[str, Any]) -> AuditResult:
    """The result with this invariant; heads that are known to differ make the candidate FAIL.

    Args:
        result: of the arms.
        trainer: precision of the trainer's head ("float32", "bfloat16", "float16"), "" where not known.
        arguments: the candidate's own, to which a remedy adds.
    """
    candidate = next((arm for arm in result.arms if arm.name == CANDIDATE), None)
    engine = "" if candidate is None else str(candidate.settings.get("head_dtype") or "")
    if candidate is None or not engine:
        return result
    distance = None if candidate.against_trainer is None else candidate.against_trainer.mean_abs.value
    if not trainer:
        return _by_reference(result, engine, distance)
    note = f"the engine's head is {engine}, the trainer's {trainer}"
    held = engine == trainer
    result = _with(result, Invariant(NAME, held, value=distance, note=note))
    if held or result.verdict is None:
        return result
    settings, title = _remedy(trainer, candidate.version, arguments)
    first = result.cause is Cause.NONE
    return replace(
        result,
        verdict=Verdict.FAIL,
        reason=result.reason if result.verdict is Verdict.FAIL else "invariant",
        cause=Cause.HEAD_PRECISION if first else result.cause,
        cause_evidence=note if first else f"{result.cause_evidence}; besides, {note}",
        settings={**result.settings, **settings},
        advice=(Advice(title, note, settings), *result.advice),
    )


def _by_reference(result: AuditResult, engine: str, distance: float | None) -> AuditResult:
    """The result where only the two engines' heads are known: a head that changed has to be meant."""
    reference = next((arm for arm in result.arms if arm.name == REFERENCE), None)
    other = "" if reference is None else str(reference.settings.get("head_dtype") or "")
    if not other or other == engine:
        note = f"the engine's head is {engine}; --trainer-head says what the trainer's is"
        return _with(result, Invariant(NAME, None, value=distance, note=note))
    note = f"the candidate's head is {engine}, the reference's {other}"
    asked = f"{note}; if the trainer's is {engine}, too, say --trainer-head {engine}"
    result = _with(result, Invariant(NAME, holds=False, value=distance, note=asked))
    if result.verdict is None:
        return result
    first = result.cause is Cause.NONE
    title = f"Compute the head in {other} as the reference does, or in {engine} in the trainer as well"
    return replace(
        result,
        verdict=Verdict.FAIL,
        reason=result.reason if result.verdict is Verdict.FAIL else "invariant",
        cause=Cause.HEAD_PRECISION if first else result.cause,
        cause_evidence=f"{note}{_measured(result)}" if first else f"{result.cause_evidence}; besides, {note}",
        advice=(Advice(title, asked, {}), *result.advice),
    )


def _measured(result: AuditResult) -> str:
    """What the ladder saw of it, in words: the lattice the logits lie on, and what the change removes."""
    rungs = () if result.ladder is None else result.ladder.rungs
    mine = [rung for rung in rungs if rung.cause == Cause.HEAD_PRECISION.value]
    said = [rung.note for rung in mine if not rung.setting]
    removed = next((rung.removed for rung in mine if rung.removed is not None), None)
    if removed is not None and (removed.low or 0.0) > 0:
        said.append(
            f"the reference's precision in the candidate removes {removed.value:.1%} of the difference"
        )
    elif removed is not None:
        said.append("the difference as a whole is mostly rounding, and the head's part is lost in it")
    return "".join(f"; {text}" for text in said)


def _with(result: AuditResult, invariant: Invariant) -> AuditResult:
    return replace(result, invariants=(*result.invariants, invariant))


def _remedy(trainer: str, version: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Settings for the engine and what to do; float32 on both sides, or one precision where that can't be."""
    if trainer != FLOAT32:
        return {}, "Compute the trainer's head in float32, too: it pays on both sides or on none"
    if not has_float32_head(version):
        return {}, (
            "Take a vLLM whose head can be float32, or compute the trainer's head in the engine's precision"
        )
    own = arguments.get(_OVERRIDE)
    override = {**(own if isinstance(own, dict) else {}), "head_dtype": FLOAT32}
    return {_OVERRIDE: override}, "Compute the engine's head in float32, as the trainer's is"


def has_float32_head(version: str) -> bool:
    """Whether a release computes a generating model's head in float32 where `hf_overrides` asks for it."""
    try:
        release = Version(version)
    except InvalidVersion:
        return False
    facts = load_facts().about(Subject.BEHAVIOUR)
    state = next(fact.at(release, Engine.V1) for fact in facts if fact.id == _FACT)
    return state is not None and state.holds.startswith(_OVERRIDE)
