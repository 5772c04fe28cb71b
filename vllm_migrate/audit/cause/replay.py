"""What the ladder replays, and the reference's replays under changes that make sense on both sides only."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.cause.climbed import choose
from vllm_migrate.audit.cause.steps import (
    FLOAT32,
    FP32_HEAD,
    NO_PENALTY,
    PREFILL,
    counterparts,
    taken_defaults,
)
from vllm_migrate.audit.emulated import is_emulated
from vllm_migrate.engines.flips import CannotFlipError, flipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.trace.model import Rollout, Trace
    from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

COUNTERPARTS = "reference-ladder"
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


def ladder_tokens(plan: AuditPlan, trace: Trace) -> tuple[bool, Sequence[Rollout], SamplingSettings]:
    """Whether the ladder climbs on the semantic probe's tokens; its rollouts and their sampling profile.

    Where the user's profile can't tell raw from processed logprobs the probe's tokens can. Where the
    candidate's requests differ, or its logprobs are taken elsewhere, only the user's profile shows it.
    """
    special = plan.candidate_sampling is not None or plan.candidate_path != "decode"
    if plan.probe is not None and trace.probe and not special:
        return True, trace.probe, plan.probe
    return False, trace.rollouts, plan.sampling


def replay_counterparts(
    process: EngineProcess, plan: AuditPlan, trace: Trace
) -> dict[tuple[str, ...], list[ReplayRecord]]:
    """The reference's logprobs of the ladder's tokens under an fp32 head, without penalty, scored by prefill.

    And under the sampling defaults of the checkpoint, which the candidate may have taken unasked.
    Every combination is replayed, by the sorted names of its parts; V0's `prompt_logprobs` are processed like
    its decoded ones. Changes that can't be made in this engine are left out, and so is scoring by prefill
    where the reference is a stand-in for V0: its `prompt_logprobs` are V1's, raw ones.
    """
    _, rollouts, sampling = ladder_tokens(plan, trace)
    chosen = [rollouts[index] for index in choose(rollouts)]
    found: dict[tuple[str, ...], list[ReplayRecord]] = {}
    defaults = taken_defaults(sampling, generation_defaults(plan.model))
    if plan.candidate_sampling is not None:
        defaults = {}
    for names in counterparts(sampling, everything=plan.ladder == "all", defaults=defaults):
        if PREFILL in names and is_emulated(trace.provenance):
            continue
        if FLOAT32 in names:
            slot = _second_engine(process, plan)
            if slot:
                found[names] = process.force(COUNTERPARTS, trace.prompts, chosen, sampling, slot=slot, top=0)
            continue
        used = replace(sampling, repetition_penalty=1.0) if NO_PENALTY in names else sampling
        used = replace(used, **next((defaults[name] for name in names if name in defaults), {}))
        head = {"head_dtype": "float32"} if FP32_HEAD in names else {}
        with suppress(CannotFlipError), flipped(process.client, head) as before:
            if head and before == head:
                continue
            found[tuple(sorted(names))] = process.force(
                COUNTERPARTS,
                trace.prompts,
                chosen,
                used,
                path="prefill" if PREFILL in names else "decode",
                top=0,
            )
    return found


def _second_engine(process: EngineProcess, plan: AuditPlan) -> str:
    """The slot of the reference in float32, beside itself; "" on a GPU, where there is not the memory for it.

    Measured with 0.8.5 on CPU: bit for bit what a process of its own gives, and the first engine stays as it
    was.
    """
    if process.environment.device != "cpu":
        return ""
    process.load(COUNTERPARTS, {**plan.v0_args, "dtype": "float32"}, slot=FLOAT32)
    return FLOAT32


def generation_defaults(model: Path) -> dict[str, Any]:
    """Sampling defaults of the checkpoint's generation_config.json; empty where it has none to read."""
    return _read(model / "generation_config.json")


def routes_to_experts(model: Path) -> bool:
    """Whether the checkpoint is a mixture of experts, by the usual keys of its config.json."""
    config = _read(model / "config.json")
    texts = [config, config.get("text_config") or {}]
    return any(isinstance(text.get(key), int) and text[key] > 1 for text in texts for key in _EXPERTS)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
