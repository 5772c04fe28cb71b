"""Runs of two sides in, a report out: which metric left its reference, at which step, which first."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.statistics.holm import holm_corrected
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.align import align, unit_mismatch
from vllm_migrate.watch.judge import departure, labels, relabelled, simulated
from vllm_migrate.watch.metrics import asked_for, by_word, word_for
from vllm_migrate.watch.noise import Layout, smoothed, smoothing
from vllm_migrate.watch.result import Curve, Left, Method, MetricResult, Outcome, RunSeen, WatchReport
from vllm_migrate.watch.run import Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.watch.align import Aligned
    from vllm_migrate.watch.judge import Judged
    from vllm_migrate.watch.metrics import Word
    from vllm_migrate.watch.run import Run

_LEAST = {Method.PAIR: 30, Method.SEEDS: 12, Method.LABELS: 6}
"""Common steps below which a metric is not judged: fewer don't show what the noise is like."""


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        own: the user's names and the words they stand for.
        only: metrics to judge; empty for those that are known and meant to be.
        everything: judge every metric that both sides have.
        first, last: steps to leave out before and after.
        candidate_steps: factor that makes the candidates' steps count what the references' do.
        level: false alarms allowed for the whole comparison.
        tolerated: differences by metric, in its unit, up to which a departure is none.
    """

    own: Mapping[str, str]
    only: tuple[str, ...] = ()
    everything: bool = False
    first: float | None = None
    last: float | None = None
    candidate_steps: float = 1.0
    level: float = 0.05
    tolerated: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Metric:
    """A metric on its way to a result."""

    word: Word
    names: tuple[str, str]
    aligned: Aligned
    same: int = 0
    judged: Judged | None = None

    @property
    def layout_steps(self) -> int:
        return int(self.aligned.values.shape[1]) - self.same

    @property
    def values(self) -> NDArray[np.float64]:
        return self.aligned.values[:, self.same :]


def compare(
    references: Sequence[Run],
    candidates: Sequence[Run],
    settings: Settings,
    *,
    look: int = 1,
    share: float = 1.0,
) -> WatchReport:
    """Compare the runs as they are known by now.

    Args:
        references: one or more.
        candidates: one or more.
        settings: see `Settings`.
        look: which look at runs in progress this is.
        share: of the level, for this look.

    Raises:
        UsageError: a metric that was asked for is not there.
    """
    began = time.monotonic()
    made = WatchReport(
        None,
        "no-common-metric",
        tuple(map(_seen, references)),
        tuple(map(_seen, candidates)),
        level=settings.level,
        look=look,
        running=not all(run.finished for run in candidates),
    )
    names = [by_word(run.series, settings.own) for run in (*references, *candidates)]
    common = [word for word in names[0] if all(word in other for other in names)]
    wanted = (
        asked_for(common, settings.only) if settings.only else [w for w in common if _judged(w, settings)]
    )
    made = replace(made, not_compared=tuple(sorted(w for w in common if w not in wanted)))
    if not wanted:
        message, hint = _nothing(common, names[0], names[-1])
        return replace(made, message=message, hint=hint)
    runs = [*references, *candidates]
    scaled = [_series(run, names[n], wanted, n >= len(references), settings) for n, run in enumerate(runs)]
    factor = unit_mismatch(
        [one[wanted[0]] for one in scaled[: len(references)]],
        [one[wanted[0]] for one in scaled[len(references) :]],
    )
    if factor is not None and settings.candidate_steps == 1.0:
        return replace(
            made,
            reason="step-units",
            message=f"the runs count steps differently: as many points span {factor:g} times as many steps",
            hint=f"say how with --candidate-steps {factor:.3g}, or name the step with --step",
        )
    layout = Layout(0, len(references), len(candidates))
    method = _method(layout)
    metrics = []
    for word in wanted:
        aligned = align([one[word] for one in scaled], first=settings.first, last=settings.last)
        metrics.append(
            _Metric(word_for(word), (names[0][word], names[-1][word]), aligned, _same(aligned, layout))
        )
    results = [
        _within(one, settings.tolerated.get(one.name))
        for one in _results(metrics, layout, method, settings.level * share)
    ]
    results.sort(key=lambda one: (one.left is None, one.left.step if one.left else 0.0, one.outcome.value))
    return _concluded(replace(made, method=method, metrics=tuple(results)), began)


def _concluded(report: WatchReport, began: float) -> WatchReport:
    left = [one for one in report.metrics if one.outcome is Outcome.LEFT]
    judged = [one for one in report.metrics if one.outcome is not Outcome.NOT_JUDGED]
    report = replace(report, seconds=time.monotonic() - began)
    if left:
        return replace(report, verdict=Verdict.FAIL, reason="left")
    if judged:
        return replace(report, verdict=Verdict.PASS, reason="in-band")
    most = max(report.metrics, key=lambda one: one.points)
    return replace(
        report, reason="too-few-steps", message=f"{most.label}: {most.message}", hint=_more(report)
    )


def _more(report: WatchReport) -> str:
    return "wait for more steps, or follow the run with --follow" if report.running else "compare longer runs"


def _results(metrics: list[_Metric], layout: Layout, method: Method, level: float) -> list[MetricResult]:
    """Judge what can be judged, corrected for how many metrics that are."""
    ready = [
        one for one in metrics if one.layout_steps >= _LEAST[method] and np.ptp(one.values, axis=1).any()
    ]
    if method is Method.LABELS:
        found = relabelled([one.values for one in ready], layout) if ready else []
    else:
        found = [simulated(one.values, replace(layout, steps=one.layout_steps)) for one in ready]
    judged = {id(one): replace(one, judged=result) for one, result in zip(ready, found, strict=True)}
    adjusted = (
        [one.p for one in found] if method is Method.LABELS else holm_corrected([one.p for one in found])
    )
    p = {id(one): value for one, value in zip(ready, adjusted, strict=True)}
    return [
        _result(judged.get(id(one), one), layout, method, level=level, p=p.get(id(one)), count=len(ready))
        for one in metrics
    ]


def _within(one: MetricResult, tolerated: float | None) -> MetricResult:
    """A departure that the user tolerates is none."""
    if tolerated is None or one.left is None or not abs(one.left.size) <= tolerated:
        return one
    said = f"{one.message} by {one.left.size:.3g}, within the {tolerated:g} that are tolerated"
    return replace(one, outcome=Outcome.IN_BAND, left=None, message=said)


def _result(
    one: _Metric, layout: Layout, method: Method, *, level: float, p: float | None, count: int
) -> MetricResult:
    """What is said of one metric; `p` is corrected for `count` metrics, `level` is that of all of them."""
    values, steps = one.aligned.values, one.aligned.steps
    split = layout.references
    made = MetricResult(
        one.word.name,
        one.word.label,
        one.word.unit,
        one.word.wanted,
        one.word.meaning,
        *one.names,
        Outcome.NOT_JUDGED,
        "",
        p=p,
        points=len(steps),
        first_step=float(steps[0]) if len(steps) else None,
        last_step=float(steps[-1]) if len(steps) else None,
        every=one.aligned.every,
        reference_mean=float(values[:split].mean()) if values.size else None,
        candidate_mean=float(values[split:].mean()) if values.size else None,
    )
    lost = [step for step in one.aligned.lost[split:] if step is not None]
    if lost and not any(step is not None for step in one.aligned.lost[:split]):
        step = min(lost)
        left = Left(step, step, step, step, math.nan, worse=True)
        return replace(
            made, outcome=Outcome.LEFT, left=left, message=f"not a finite number from step {step:g} on"
        )
    if one.judged is None:
        return _unjudged(made, one, layout, method)
    own = replace(layout, steps=one.layout_steps)
    each = level if method is Method.LABELS else level / count
    smallest = one.judged.smallest(each, own)
    made = replace(made, smallest=smallest, curve=_curve(one, own))
    told = departure(one.judged, one.values, own, each) if p is not None and p <= level else None
    if told is None:
        return replace(made, outcome=Outcome.IN_BAND, message=_stayed(one))
    at = steps[one.same :]
    onset, early, late, seen = (float(at[n]) for n in (told.onset, told.early, told.late, told.seen))
    left = Left(onset, early, late, seen, told.size, _worse(one.word, told.size))
    return replace(made, outcome=Outcome.LEFT, left=left, message=_left(one, left))


def _worse(word: Word, size: float) -> bool | None:
    """Whether a difference is to the bad side; None where no side is."""
    return (size < 0) == (word.wanted == "up") if word.wanted else None


def _unjudged(made: MetricResult, one: _Metric, layout: Layout, method: Method) -> MetricResult:
    """What needs no statistics, or has too little for them."""
    values, steps = one.aligned.values, one.aligned.steps
    if values.size and one.same == values.shape[1]:
        return replace(made, outcome=Outcome.IN_BAND, message="the same at every step")
    if values.size and one.layout_steps >= _LEAST[method]:
        # Nothing moves on any run, and the levels differ.
        size = float(values[layout.references :].mean() - values[: layout.references].mean())
        step = float(steps[one.same])
        left = Left(step, step, step, step, size, _worse(one.word, size))
        return replace(
            made, outcome=Outcome.LEFT, left=left, message="constant on both sides, and not the same"
        )
    fewest = f"{one.layout_steps} common steps, {_LEAST[method]} are needed"
    said = f"the same until step {steps[one.same - 1]:g}; then {fewest}" if one.same else fewest
    return replace(made, message=said)


def _same(aligned: Aligned, layout: Layout) -> int:
    """For how many steps a pair of runs is equal to the last bit, as runs of one seed are at first."""
    if not layout.single:
        return 0
    differs = np.flatnonzero(aligned.values[0] != aligned.values[1])
    return int(differs[0]) if differs.size else aligned.values.shape[1]


def _curve(one: _Metric, layout: Layout) -> Curve | None:
    if one.judged is None:
        return None
    reference = one.values[: layout.references].mean(axis=0)
    candidate = one.values[layout.references :].mean(axis=0)
    middle = smoothed(reference)
    reach = one.judged.band * one.judged.scale
    return Curve(
        steps=_plain(one.aligned.steps[one.same :]),
        reference=_plain(middle),
        candidate=_plain(smoothed(candidate)),
        low=_plain(middle - reach),
        high=_plain(middle + reach),
        reference_raw=_plain(reference),
        candidate_raw=_plain(candidate),
        smoothing=smoothing(layout.steps),
    )


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _stayed(one: _Metric) -> str:
    same = f"the same until step {one.aligned.steps[one.same - 1]:g}, then " if one.same else ""
    return f"{same}within what the noise explains"


def _left(one: _Metric, left: Left) -> str:
    side = "above" if left.size > 0 else "below"
    same = f"; the same until step {one.aligned.steps[one.same - 1]:g}" if one.same else ""
    return f"{side} the reference from step {left.step:g} on{same}"


def _method(layout: Layout) -> Method:
    """All labels where one labelling among them can be rare enough; 5% is the least that is asked."""
    if 1 / labels(layout) <= 0.05:  # noqa: PLR2004 - the usual level
        return Method.LABELS
    return Method.PAIR if layout.single else Method.SEEDS


def _judged(word: str, settings: Settings) -> bool:
    if settings.everything or word in settings.own.values():
        return True
    found = word_for(word)
    return found.judged and bool(found.meaning)


def _series(
    run: Run, names: Mapping[str, str], wanted: Sequence[str], candidate: bool, settings: Settings
) -> dict[str, Series]:
    factor = settings.candidate_steps if candidate else 1.0
    made = {word: run.series[names[word]] for word in wanted}
    return {word: Series(one.steps * factor, one.values) for word, one in made.items()}


def _seen(run: Run) -> RunSeen:
    steps = [float(step) for one in run.series.values() if len(one.steps) for step in one.steps[[0, -1]]]
    return RunSeen(
        run.name,
        run.source,
        run.kind,
        len(run.series),
        min(steps, default=None),
        max(steps, default=None),
        run.finished,
        run.notes,
    )


def _nothing(common: Sequence[str], ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, str]:
    if common:
        listed = ", ".join(sorted(common)[:6])
        return (
            f"both sides log {listed}, and none of these is judged without being asked for",
            "name them with --only, or judge all with --all",
        )
    return (
        f"no metric in common: the reference logs {_few(ours)}, the candidate {_few(theirs)}",
        "say which is which with --metric THEIRS=OURS",
    )


def _few(names: Mapping[str, str]) -> str:
    listed = sorted(names.values())
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "") or "none"  # noqa: PLR2004 - as many as are listed
