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
    """

    id: int
    text: str
    token_ids: tuple[int, ...]
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One completion of one prompt. `logprobs` in nats, one per token, as the engine reported them.

    `top_ids` and `top_logprobs` hold each position's most likely tokens, for some rollouts: as in
    `workers.protocol.RolloutRecord`.
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


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a trace comes from.

    Attributes:
        engine: catalogue name ("v0", "v1@0.18.1"); `version` the engine's own version string.
        engine_class, runner: asserted from the running objects.
        settings: effective engine settings; `engine_args` as given.
        sampling: the sampling profile in SamplingParams' words.
        probe_sampling: the semantic probe's profile, empty where there was none.
        model: SHA-256 over the checkpoint's weights and configuration.
        tool: version of this tool; `created` in ISO 8601, UTC.
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


@dataclass(frozen=True, slots=True)
class Trace:
    """Prompts, what came of them, and where that was.

    Attributes:
        noise_floor: logprobs of the A/A replay, aligned with `rollouts`; empty where there was none.
        probe: rollouts under the semantic probe's profile, on some of the prompts.
        probe_noise_floor: aligned with `probe`.
    """

    provenance: Provenance
    prompts: tuple[Prompt, ...]
    rollouts: tuple[Rollout, ...]
    noise_floor: tuple[tuple[float, ...], ...] = ()
    probe: tuple[Rollout, ...] = ()
    probe_noise_floor: tuple[tuple[float, ...], ...] = ()
