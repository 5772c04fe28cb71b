"""A trace: what one engine did with one set of prompts, with everything needed to do it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCHEMA = "vllm-migrate-trace/1"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt.

    Attributes:
        id: stable within the trace; the unit all statistics are clustered by.
        columns: whatever else stood beside it in the user's file; handed to the reward function.
        messages: the conversation that `text` was rendered from, with what the chat template was given
            besides (`tools`, ...) in `template_arguments`; empty for a prompt that was no conversation.
        stratum: its band of lengths in words, such as "65-128 tokens". group: number of the shared prefix it
            has in common with others, -1 where it has none.
    """

    id: int
    text: str
    token_ids: tuple[int, ...]
    columns: dict[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, Any], ...] = ()
    template_arguments: dict[str, Any] = field(default_factory=dict)
    stratum: str = ""
    group: int = -1


@dataclass(frozen=True, slots=True)
class Rollout:
    """One completion of one prompt. `logprobs` in nats, one per token, as the engine reported them.

    `top_ids` and `top_logprobs` hold each position's most likely tokens, for some rollouts: as in
    `workers.protocol.RolloutRecord`. `raw` holds the log softmax of the unmodified logits where it could be
    tapped. `trainer` and `trainer_raw` are the trainer's own forward over the same tokens, where it ran.
    """

    prompt: int
    sample: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str = ""
    finish_reason: str = ""
    reward: float | None = None
    top_ids: tuple[tuple[int, ...], ...] = ()
    top_logprobs: tuple[tuple[float, ...], ...] = ()
    raw: tuple[float, ...] = ()
    trainer: tuple[float, ...] = ()
    trainer_raw: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a trace comes from.

    Attributes:
        engine: catalogue name ("v0", "v1@0.18.1"); `version` the engine's own version string.
        engine_class, runner: asserted from the running objects.
        settings: effective engine settings; `engine_args` as given.
        sampling: the sampling profile in SamplingParams' words.
        probe_sampling: the semantic probe's profile, empty where there was none.
        model: SHA-256 over the checkpoint's weights and configuration; `weights`, `tokenizer` and
            `chat_template` over these alone, as in `trace.checkpoint.CheckpointHashes`.
        tool: version of this tool; `created` in ISO 8601, UTC; `expires` likewise, "" for never.
        tokens: SHA-256 over the token ids of all prompts and of all completions but the free ones, so that
            two traces can be known to hold the same ones even where they are redacted.
        follows: `tokens` of the trace whose completions were forced through this engine, "" where it sampled
            them itself.
        redacted: texts, token ids and columns were taken out.
    """

    engine: str
    version: str
    engine_class: str
    runner: str
    settings: dict[str, Any]
    engine_args: dict[str, Any]
    sampling: dict[str, Any]
    model: str
    tool: str
    created: str
    samples: int = 1
    seed: int = 0
    probe_sampling: dict[str, Any] = field(default_factory=dict)
    weights: str = ""
    tokenizer: str = ""
    chat_template: str = ""
    expires: str = ""
    tokens: str = ""
    follows: str = ""
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """Prompts, what came of them, and where that was.

    Attributes:
        noise_floor: logprobs of the A/A replay, aligned with `rollouts`; empty where there was none.
        probe: rollouts under the semantic probe's profile, on some of the prompts.
        probe_noise_floor: aligned with `probe`.
        free: what the engine sampled itself, where `rollouts` are another engine's tokens.
        greedy: the engine's greedy completions of some of the prompts, one each.
    """

    provenance: Provenance
    prompts: tuple[Prompt, ...]
    rollouts: tuple[Rollout, ...]
    noise_floor: tuple[tuple[float, ...], ...] = ()
    probe: tuple[Rollout, ...] = ()
    probe_noise_floor: tuple[tuple[float, ...], ...] = ()
    free: tuple[Rollout, ...] = ()
    greedy: tuple[Rollout, ...] = ()
