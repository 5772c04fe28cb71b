"""What the weight sync probe saw: the values that pass from the engines to its conclusions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.audit.sync.ways import Case
    from vllm_migrate.workers.sync_protocol import Checksums, SyncRecord

Rows = tuple[tuple[float, ...], ...]
"""Logprobs by sequence, nats."""


@dataclass(frozen=True, slots=True)
class ColdRun:
    """An engine started on the new weights.

    Attributes:
        first: the sequences with an empty prefix cache; `again` the same once more.
        warm: with whatever the cache then holds; `warm_again` the same once more.
        cached_first, cached_warm: prompt tokens taken from the cache in each; -1 where it is not told.
    """

    first: Rows
    again: Rows
    warm: Rows
    warm_again: Rows
    cached_first: int = -1
    cached_warm: int = -1


@dataclass(slots=True)
class CaseRun:
    """One case in the live engine.

    Attributes:
        why: why it was not tried, "" where it was.
        old: with the old weights and an empty cache, before the update; empty for cases in flight.
        warm: after the update, with the prefix cache as it is then; `clean` with an empty one.
        cached: prompt tokens that `warm` took from the cache; -1 where the engine does not tell.
        flight: the sequences during which the update came, for cases in flight.
        checksums: after the update.
        seconds: wall time of the update.
    """

    case: Case
    why: str = ""
    old: Rows = ()
    warm: Rows = ()
    clean: Rows = ()
    cached: int = -1
    flight: tuple[SyncRecord, ...] = ()
    checksums: Checksums | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class EngineProbe:
    """One engine's cases and the cold engine they are held against.

    Attributes:
        engine: catalogue name; `version` and `device` of it.
        old: the first replay of all, with the weights the engine was started with; `old_again` the same once
            more.
        cold: by head, "" for the engine's own precision.
        cold_checksums: of the cold engine.
        note: why nothing was tried, or why it ended early.
        asynchronous: whether this is the candidate behind `AsyncLLM`, its core in a process of its own.
    """

    engine: str
    version: str
    device: str
    prefix_caching: bool
    block_size: int = 0
    old: Rows = ()
    old_again: Rows = ()
    runs: list[CaseRun] = field(default_factory=list)
    cold: dict[str, ColdRun] = field(default_factory=dict)
    cold_checksums: Checksums | None = None
    note: str = ""
    seconds: float = 0.0
    asynchronous: bool = False
