"""What an audit took out of the user's code, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm_migrate.resolve.flow.values import Place


class Fate(str, Enum):
    """What became of a setting that was found."""

    TAKEN = "taken"
    PLACE = "left-to-the-audit"  # it says where the code runs, not what a logprob means
    REFUSED = "refused-by-the-target"
    UNRESOLVED = "not-resolved"
    UNSUPPORTED = "not-replayed"  # the audit can't sample that way


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the user's code.

    Attributes:
        part: "engine", "sampling", "objective" or "sync".
        name: as its taker calls it, `gpu_memory_utilization`; `option` of the audit's it goes to, or "".
        value: what it is; None where it was not resolved.
        written: as it is written at the construction.
        place: where its value is written; `at` the line of the construction that names it.
        note: why it was not taken, or what was done to it.
    """

    part: str
    name: str
    fate: Fate
    value: Any
    written: str
    place: Place
    at: Place
    option: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """All that was taken, and what was not.

    Attributes:
        site: where the engine is built, `rollout.py:25`; `what` is built there ("LLM", "vllm serve").
        settings: in the order they are written.
        arguments: of the candidate engine.
        options: values for the audit's own options by their Python names (`temperature`, `clip_range`).
        assumptions: what was taken for granted, one line each.
        warnings: one line for each reason why settings were left out though they may matter.
        places: what `--from-code` was given; `ordinal` which construction of its file it is, from 0. Both
            find the place again to write to it.
    """

    site: Place
    what: str
    settings: tuple[Setting, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    ordinal: int = 0
