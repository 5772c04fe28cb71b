"""What the engines said: the values that pass from the replay to the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vllm_migrate.workers.protocol import Loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.cause.evidence import LadderRun, SpeedRun
    from vllm_migrate.audit.sync.evidence import EngineProbe
    from vllm_migrate.trace.model import Rollout, Trace
    from vllm_migrate.workers.protocol import ReplayRecord

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

REFERENCE, NOISE_FLOOR, CANDIDATE, REMEDY = "reference", "noise-floor", "candidate", "remedy"


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences to force through an engine: prompt token ids and completion token ids, aligned."""

    prompts: list[list[int]]
    completions: list[list[int]]


@dataclass(slots=True)
class EngineRun:
    """One arm as it ran.

    Attributes:
        engine: the engine's name in the catalogue; `arguments` those given to `LLM(...)`.
        replay: the reference's tokens forced through it, one record a rollout of the reference.
        probe: the same for the semantic probe's tokens.
        greedy: what it completes greedily, one completion for each of the reference's greedy ones.
        rollouts: what it sampled itself; `rewards` one each where there is a reward function.
        trainer: the trainer's forward over those rollouts; `trainer_probe` over the probe's, for the
            reference, and over `probe_rollouts`.
        probe_rollouts: what it sampled itself under the semantic probe's profile, where nothing can be forced
            through it.
        prompt_scores: its `prompt_logprobs` of the reference's tokens, in the same case.
    """

    name: str
    engine: str
    arguments: dict[str, Any]
    loaded: Loaded
    replay: list[ReplayRecord] = field(default_factory=list)
    probe: list[ReplayRecord] = field(default_factory=list)
    rollouts: tuple[Rollout, ...] = ()
    rewards: list[float] = field(default_factory=list)
    trainer: list[ReplayRecord] = field(default_factory=list)
    trainer_probe: list[ReplayRecord] = field(default_factory=list)
    probe_rollouts: tuple[Rollout, ...] = ()
    prompt_scores: list[ReplayRecord] = field(default_factory=list)
    note: str = ""
    greedy: tuple[Rollout, ...] = ()


@dataclass(slots=True)
class Evidence:
    """All of it; the reference's rollouts and noise floor are in `trace`.

    Attributes:
        ladder: what was changed to explain the candidate's excess, None where nothing was tried.
        speed: optimisations that were tried.
        other_inputs: prompts whose text the candidate turns into other token ids than the reference.
        compared_inputs: how many were compared.
        other_templates: those of `other_inputs` that are conversations and whose rendering by the reference
            the candidate turns into the reference's token ids: its chat template differs, not its tokenizer.
    """

    trace: Trace
    arms: dict[str, EngineRun]
    timing: dict[str, float] = field(default_factory=dict)
    sync: list[EngineProbe] = field(default_factory=list)
    ladder: LadderRun | None = None
    speed: list[SpeedRun] = field(default_factory=list)
    other_inputs: tuple[int, ...] = ()
    compared_inputs: int = 0
    other_templates: tuple[int, ...] = ()


def flat(rows: Iterable[Sequence[float]]) -> Floats:
    """Rows of logprobs end to end."""
    parts = [np.asarray(row, dtype=np.float64) for row in rows]
    return np.concatenate(parts) if parts else np.zeros(0)


def prompts_of(rollouts: Sequence[Rollout]) -> Integers:
    """The prompt of every token, aligned with `flat` over the same rollouts."""
    return np.repeat(
        np.array([rollout.prompt for rollout in rollouts], dtype=np.int64),
        np.array([len(rollout.token_ids) for rollout in rollouts], dtype=np.int64),
    )


def sequences_of(rollouts: Sequence[Rollout]) -> Integers:
    """The sequence of every token, aligned with `flat` over the same rollouts."""
    lengths = np.array([len(rollout.token_ids) for rollout in rollouts], dtype=np.int64)
    return np.repeat(np.arange(len(rollouts), dtype=np.int64), lengths)


def reported(records: Sequence[ReplayRecord]) -> Floats:
    """The logprobs an engine reported, end to end."""
    return flat(record.logprobs for record in records)


def raw(records: Sequence[ReplayRecord]) -> Floats:
    """The raw logprobs, end to end; empty where any record has none."""
    if any(len(record.raw) != len(record.emitted) for record in records):
        return np.zeros(0)
    return flat(record.raw for record in records)


def recorded_run(trace: Trace) -> EngineRun:
    """The reference as its trace describes it."""
    made = trace.provenance
    loaded = Loaded(made.engine_class, made.runner, made.version, made.settings, seconds=0.0)
    return EngineRun(REFERENCE, made.engine, made.engine_args, loaded, rollouts=trace.rollouts)
