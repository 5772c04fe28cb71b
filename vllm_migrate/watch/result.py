"""What a comparison of run logs found; every report renders this."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.statistics.verdict import Verdict


class Outcome(str, Enum):
    """What became of one metric."""

    IN_BAND = "in band"
    LEFT = "left"
    NOT_JUDGED = "not judged"


class Method(str, Enum):
    """How a departure is told from noise.

    LABELS: the runs of both sides are relabelled in every way. SEEDS: noise is simulated after what the runs
    of a side differ by. PAIR: noise is simulated after the difference of the only two runs there are; what
    two seeds differ by from beginning to end can't be told from a departure then.
    """

    LABELS = "labels"
    SEEDS = "seeds"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run that was read.

    Attributes:
        name: short, unique on its side.
        source: file or directory.
        kind: of log: "TensorBoard", "Trainer state", "W&B", "JSON Lines", "CSV".
        metrics: how many it has. `first_step` and `last_step` null where it has none.
        finished: whether the log says that the run has ended.
        notes: what could not be read, resumed runs, values that stand twice.
    """

    name: str
    source: str
    kind: str
    metrics: int
    first_step: float | None
    last_step: float | None
    finished: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """Where a metric left its reference.

    Attributes:
        step: training step at which the departure begins, by least squares.
        early, late: bounds of that step, 95%.
        seen: step at which the data first sufficed to tell.
        size: mean difference to the reference from there on, in the metric's unit.
        worse: whether a good run would go the other way; null where neither way is better.
    """

    step: float
    early: float
    late: float
    seen: float
    size: float
    worse: bool | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric of both sides, for pictures; one entry a step.

    Attributes:
        steps: training steps.
        reference, candidate: mean of the side's runs, smoothed over `smoothing` steps.
        low, high: where the smoothed candidate stays in 95% of the cases if it is of the reference's process.
        reference_raw, candidate_raw: the same means as logged.
        smoothing: points averaged over.
    """

    steps: tuple[float, ...]
    reference: tuple[float, ...]
    candidate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reference_raw: tuple[float, ...]
    candidate_raw: tuple[float, ...]
    smoothing: int


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric of both sides.

    Attributes:
        name: common word, or the runs' own name where there is none.
        unit: "nats", "share", "tokens", "steps" or "".
        wanted: which way is a good run's: "up", "down" or "".
        reference_name, candidate_name: what the runs call it.
        p: probability of so large a departure where both sides are one process, corrected for the number of
            metrics; null where the metric was not judged or needs no statistics.
        points: steps that were judged, from `first_step` to `last_step`.
        every: training steps that were averaged over for each of them; 0 where none were.
        smallest: the smallest lasting difference over a quarter of the run that would have been told, in the
            metric's unit; null where that is not known.
        reference_mean, candidate_mean: over the judged steps.
        left: null where the metric stayed.
    """

    name: str
    label: str
    unit: str
    wanted: str
    meaning: str
    reference_name: str
    candidate_name: str
    outcome: Outcome
    message: str
    p: float | None = None
    points: int = 0
    first_step: float | None = None
    last_step: float | None = None
    every: float = 0.0
    smallest: float | None = None
    reference_mean: float | None = None
    candidate_mean: float | None = None
    left: Left | None = None
    curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class WatchReport:
    """Everything one comparison found.

    Attributes:
        verdict: PASS where every judged metric stayed in its band, FAIL where one left; null where none
            could be judged (see `reason`, `message`, `hint`).
        reason: "in-band", "left", "too-few-steps", "no-common-metric", "step-units", or an error's slug.
        method: null where nothing was judged.
        level: false alarms allowed for the whole comparison. `look` counts the looks at a run in progress,
            which share that level; 1 for a finished one.
        metrics: those compared, the departures first in the order of their steps.
        not_compared: names that both sides log and that were not asked for.
        running: whether a run was still in progress at the last look.
        notes: what a reader has to know of the comparison.
    """

    verdict: Verdict | None
    reason: str
    references: tuple[RunSeen, ...] = ()
    candidates: tuple[RunSeen, ...] = ()
    method: Method | None = None
    level: float = 0.05
    look: int = 1
    metrics: tuple[MetricResult, ...] = ()
    not_compared: tuple[str, ...] = ()
    running: bool = False
    notes: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    seconds: float = 0.0
