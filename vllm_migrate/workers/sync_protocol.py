"""The part of the wire protocol that changes weights: operations and their values.

Like `protocol`, this module runs in the oldest engine's Python and in ours: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .protocol import SamplingSettings

CHECKSUM = "checksum"  # {} -> Checksums
UPDATE = "update"  # UpdateRequest -> UpdateReport
SYNC_REPLAY = "sync-replay"  # SyncReplayRequest -> {"records": [SyncRecord], "update": UpdateReport | None}

NONE = "none"
RELOAD = "reload"
RELOAD_TENSORS = "reload-tensors"
IN_PLACE = "in-place"
PAUSE_KEEP, PAUSE_ABORT, PAUSE_WAIT = "pause-keep", "pause-abort", "pause-wait"
SLEEP_WAKE = "sleep-wake"
TRANSFER = "weight-transfer"

MODES = (NONE, RELOAD, RELOAD_TENSORS, IN_PLACE, PAUSE_KEEP, PAUSE_ABORT, PAUSE_WAIT, SLEEP_WAKE, TRANSFER)
PAUSES = (PAUSE_KEEP, PAUSE_ABORT, PAUSE_WAIT)


@dataclass
class Checksums:
    """Digests of what the engine computes with.

    Attributes:
        tensors: by parameter name; where a build repacks a layer and drops its weights, the digest is that of
            the layer's output for a fixed input, under "<layer>.packed".
        unread: parameters whose values could be reached neither way.
    """

    tensors: dict[str, str]
    unread: list[str] = field(default_factory=list)


@dataclass
class UpdateRequest:
    """Bring the weights of another checkpoint of the same model into the live engine.

    Attributes:
        mode: one of `MODES`. "none" changes nothing: the control for a sync that was skipped.
        path: directory of the checkpoint.
        clear: empty the prefix cache: with a pause mode as `clear_cache=True`, otherwise by a
            `reset_prefix_cache` after the update.
    """

    mode: str
    path: str
    clear: bool = False


@dataclass
class UpdateReport:
    """What came of it.

    Attributes:
        done: false where this engine does not offer the mode; `why` then says so and nothing was changed.
        seconds: wall time of the update itself.
    """

    done: bool
    why: str = ""
    seconds: float = 0.0


@dataclass
class SyncReplayRequest:
    """Force sequences as a `ReplayRequest` does, with the prefix cache under control.

    Attributes:
        reset: empty the prefix cache first; otherwise what it holds is used.
        update: an update to carry out in flight, before engine step number `after`; None for none.
    """

    prompts: list[list[int]]
    completions: list[list[int]]
    sampling: SamplingSettings
    reset: bool = True
    update: UpdateRequest | None = None
    after: int = 0


@dataclass
class SyncRecord:
    """One forced sequence.

    Attributes:
        logprobs: reported for each forced token, nats; shorter than asked where the sequence was aborted.
        cached: prompt tokens that were taken from the prefix cache; -1 where the engine does not tell.
        before: how many of the tokens came out before the update in flight; -1 where that can't be told.
    """

    logprobs: list[float]
    cached: int = -1
    before: int = -1


def replay_request(args: dict[str, Any]) -> SyncReplayRequest:
    """The request from its wire form."""
    update = args.get("update")
    return SyncReplayRequest(
        **{
            **args,
            "sampling": SamplingSettings(**args["sampling"]),
            "update": None if update is None else UpdateRequest(**update),
        }
    )
