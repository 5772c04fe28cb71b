"""The faults: how each is put into the candidate, and the cause the audit must name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import build_plan
from vllm_migrate.audit.result import Cause
from vllm_migrate.audit.sync.ways import SyncWay
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from kept import Meddle
    from material import Material

    from vllm_migrate.audit.plan import AuditPlan

SAMPLES, MAX_TOKENS = 3, 24
MANY_SAMPLES = 6
PROCESSED = {"logprobs_mode": "processed_logprobs"}
CACHING = {**PROCESSED, "enable_prefix_caching": True}
SHARP = wire.SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=MAX_TOKENS)
PENALISED = replace(SHARP, repetition_penalty=1.1)
UNTRUNCATED = replace(SHARP, top_p=1.0, top_k=-1)
RELOAD, RELOAD_RESET = SyncWay(sync_wire.RELOAD), SyncWay(sync_wire.RELOAD, clear=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for a candidate to be wrong, or right.

    Attributes:
        cause: what must be named; NONE for a candidate that is right.
        about: what was done to it, in a few words.
        arguments: the candidate's. sampling: what both sides are asked for. chats: prompts as conversations.
        large: whether as many tokens are replayed as it takes to show that two engines agree.
        way: the user's way of updating weights, None where updates are not probed.
        tell: what the plan says about the candidate, by field.
        meddle: what happens to its requests behind the audit's back, made from a seed's material.
        wrong_tokenizer: whether the candidate has the other chat template.
    """

    name: str
    cause: Cause
    about: str
    arguments: dict[str, Any] = field(default_factory=lambda: dict(PROCESSED))
    sampling: wire.SamplingSettings = field(default_factory=lambda: SHARP)
    chats: bool = False
    large: bool = False
    way: SyncWay | None = None
    tell: dict[str, Any] = field(default_factory=dict)
    meddle: Callable[[Material], Meddle] | None = None
    wrong_tokenizer: bool = False

    def plan(self, of: Material) -> AuditPlan:
        """The audit of this candidate."""
        arguments = dict(self.arguments)
        if self.wrong_tokenizer:
            arguments["tokenizer"] = str(of.wrong_tokenizer)
        plan = build_plan(
            model=of.model,
            prompts=of.everything if self.large else of.chats if self.chats else of.prompts,
            sampling=self.sampling,
            samples=MANY_SAMPLES if self.large else SAMPLES,
            seed=of.seed,
            clip=ClipRange(),
            v0="v0",
            v1="v1",
            candidate_args=arguments,
            v0_args={},
        )
        return replace(
            plan,
            remedy_additions={},
            sync_probe="none" if self.way is None else "own",
            sync_way=self.way,
            **self.tell,
        )


def _no_penalty(of: Material) -> Meddle:
    """The engine ignores the repetition penalty that its requests carry."""
    del of
    return _sampled_with({"repetition_penalty": 1.0})


def _defaults(of: Material) -> Meddle:
    """Requests leave their settings to `generation_config.json`."""
    return _sampled_with(of.defaults)


def _unset_defaults(of: Material) -> Meddle:
    """Requests set the temperature, and leave the rest to `generation_config.json`."""
    return _sampled_with({name: value for name, value in of.defaults.items() if name != "temperature"})


def _sampled_with(values: dict[str, Any]) -> Meddle:
    def meddle(operation: str, args: dict[str, Any]) -> dict[str, Any]:
        if operation not in (wire.GENERATE, wire.REPLAY):
            return args
        return {**args, "sampling": {**args["sampling"], **values}}

    return meddle


def _skipped(of: Material) -> Meddle:
    """Every update reads the checkpoint that is loaded already."""

    def meddle(operation: str, args: dict[str, Any]) -> dict[str, Any]:
        if operation == sync_wire.UPDATE:
            return {**args, "path": str(of.model)}
        if operation == sync_wire.SYNC_REPLAY and args.get("update"):
            return {**args, "update": {**args["update"], "path": str(of.model)}}
        return args

    return meddle


FAULTS = (
    Fault("raw-logprobs", Cause.RAW_LOGPROBS, "V1's default mode, T 0.7", arguments={}),
    Fault(
        "stale-cache",
        Cause.STALE_PREFIX_CACHE,
        "reload without a reset",
        arguments=CACHING,
        way=RELOAD,
    ),
    Fault(
        "head-precision",
        Cause.HEAD_PRECISION,
        "fp32 head in V1 alone",
        arguments={**PROCESSED, "hf_overrides": {"head_dtype": "float32"}},
    ),
    Fault(
        "generation-config",
        Cause.GENERATION_CONFIG,
        "requests leave all to its defaults",
        meddle=_defaults,
    ),
    Fault(
        "prompt-logprobs",
        Cause.PROMPT_LOGPROBS,
        "scored by prompt_logprobs at T 0.7",
        tell={"candidate_path": "prefill"},
    ),
    Fault(
        "skipped-sync",
        Cause.SKIPPED_SYNC,
        "reloads the old checkpoint",
        arguments=CACHING,
        way=RELOAD_RESET,
        meddle=_skipped,
    ),
    Fault(
        "chat-template",
        Cause.CHAT_TEMPLATE,
        "another template in V1's tokenizer",
        chats=True,
        wrong_tokenizer=True,
    ),
    Fault(
        "penalty-dropped",
        Cause.PENALTIES,
        "V1 ignores the penalty of 1.1",
        sampling=PENALISED,
        meddle=_no_penalty,
    ),
)
"""The eight of the project's list of known causes."""

VARIANTS = (
    Fault(
        "generation-config-unset",
        Cause.GENERATION_CONFIG,
        "T is set, the rest left to defaults",
        sampling=UNTRUNCATED,
        meddle=_unset_defaults,
    ),
)
"""The same causes come by in another way."""

CLEAN = (
    Fault("clean", Cause.NONE, "T 0.7, top-p 0.9, top-k 50; reset", arguments=CACHING, way=RELOAD_RESET),
    Fault("clean-penalty", Cause.NONE, "the same and a penalty of 1.1", sampling=PENALISED),
    Fault("clean-untruncated", Cause.NONE, "T 0.7 alone", sampling=UNTRUNCATED),
    Fault("clean-chats", Cause.NONE, "conversations, one template", chats=True),
    Fault("clean-large", Cause.NONE, "as clean, 64 prompts, six samples each", large=True),
)
"""Candidates that are right: whatever is said against them is a false alarm."""
