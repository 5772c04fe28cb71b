"""What the search for a cause and for speed saw: the values that pass from the engines to its conclusions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vllm_migrate.audit.result import Cause
    from vllm_migrate.workers.protocol import ReplayRecord

    Changes = frozenset[str]

LIVE, SECOND_ENGINE, RESTART, SIGNATURE = "live", "second-engine", "restart", "signature"

LOGPROBS, ROWS, TOKENS, CACHED = "logprobs", "max_rows", "max_tokens", "cached_tokens"
"""Controls: what must have changed for the step to have acted."""

IN_REFERENCE = "reference_"
"""Begins the name of a setting that is changed in the reference only."""


def merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Settings of several changes together; a later one wins."""
    return {name: value for part in parts for name, value in part.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """One change to a candidate.

    Attributes:
        setting: the change as a user would write it.
        flips: settings to change in the live engine. `arguments`: those to start another engine with, where
            the live one can't be changed.
        sampling: settings of the requests to replace. path: "decode" or "prefill", "" to leave it.
        max_num_seqs: at most so many sequences at once; `shuffled` in another order.
        counterpart: the replay of the reference this one is compared with; "" its recorded logprobs.
        control: what shows that it acted.
        reference_only: whether nothing changes in the candidate, so that it need not be replayed.
        composes: whether it can be combined with other steps; otherwise it is measured once, by itself.
        obstacle: why it can't be tried; then nothing is run.
    """

    cause: Cause
    setting: dict[str, Any]
    flips: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    max_num_seqs: int = 0
    shuffled: bool = False
    counterpart: str = ""
    control: str = LOGPROBS
    reference_only: bool = False
    composes: bool = True
    obstacle: str = ""

    @property
    def name(self) -> str:
        """Unique within a ladder."""
        return f"{self.cause.value}:{','.join(self.setting)}"


@dataclass(slots=True)
class StepRun:
    """One replay under some changes.

    Attributes:
        how: "live", "second-engine", "restart" or "signature" (not run).
        acted: the control, in words. note: what went wrong, or why it was not run.
    """

    records: list[ReplayRecord] = field(default_factory=list)
    how: str = LIVE
    acted: str = ""
    seconds: float = 0.0
    note: str = ""


@dataclass(slots=True)
class LadderRun:
    """What came of the climb.

    Attributes:
        on_probe: whether the tokens are those of the semantic probe.
        chosen: indices of the reference's rollouts that were replayed.
        steps: every step by name, in the order tried. alone: of steps that don't combine, their run.
        runs: by the set of steps in force; the empty set is the candidate as it is.
        counterparts: the reference's logprobs under changes of its own, by their sorted names.
        kept: names of the steps that removed something, in the order in which they were kept.
    """

    on_probe: bool
    chosen: list[int]
    steps: dict[str, Step] = field(default_factory=dict)
    alone: dict[str, StepRun] = field(default_factory=dict)
    runs: dict[Changes, StepRun] = field(default_factory=dict)
    counterparts: dict[tuple[str, ...], list[ReplayRecord]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One optimisation.

    Attributes:
        settings: what is turned on, as a user would write it.
        flips: how in the live engine; `arguments` for another engine where that can't be.
        obstacle: why it can't be tried here; then it is not.
    """

    settings: dict[str, Any]
    flips: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    obstacle: str = ""


@dataclass(slots=True)
class SpeedRun:
    """What came of one option.

    Attributes:
        chosen: the reference's rollouts that were replayed for the verdict; `records` what was reported.
        ratios: per round, parity's seconds over the option's.
        note: why it was not tried, or what shows that it acted.
    """

    option: Option
    chosen: list[int] = field(default_factory=list)
    records: list[ReplayRecord] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    note: str = ""
