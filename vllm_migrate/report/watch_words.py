"""What a comparison of run logs says, in words that every format shares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.report.numbers import in_unit, number, percent
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.result import Method, Outcome

if TYPE_CHECKING:
    from vllm_migrate.watch.result import Left, MetricResult, RunSeen, WatchReport

WORDS = {Verdict.PASS: "IN BAND", Verdict.FAIL: "LEFT", None: "COULD NOT JUDGE"}
"""The verdict as the reports write it."""
MARKS = {Outcome.IN_BAND: "✓", Outcome.LEFT: "✕", Outcome.NOT_JUDGED: "?"}
_WANTED = {"up": "higher is better", "down": "lower is better", "": ""}
_BLOCKS = "▁▂▃▄▅▆▇█"


def departures(report: WatchReport) -> list[MetricResult]:
    """The metrics that left, the first one first."""
    return [one for one in report.metrics if one.outcome is Outcome.LEFT]


def headline(report: WatchReport) -> str:
    """The sentence at the top: when, and in which metric first."""
    if report.verdict is None:
        return report.message or "the runs could not be compared"
    left = departures(report)
    if not left:
        names = listed([one.label for one in report.metrics if one.outcome is Outcome.IN_BAND])
        return f"the candidate stays in the reference's band: {names}"
    first = left[0]
    better = all(one.left is not None and one.left.worse is False for one in left)
    way = " for the better" if better else ""
    said = f"the candidate left the reference{way} at {at_step(first)}, first in {first.label}"
    tied = [one for one in left[1:] if one.left and first.left and one.left.early <= first.left.late]
    later = [one for one in left[1:] if one not in tied]
    if tied:
        named = listed([f"{one.label} at {at_step(one)}" for one in tied])
        said += f" (or {named}: too close to tell)"
    return f"{said}; then {listed([f'{one.label} at {at_step(one)}' for one in later])}" if later else said


def listed(names: list[str], most: int = 6) -> str:
    """Names with commas; those beyond `most` are counted."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def at_step(one: MetricResult) -> str:
    """The step of a departure: "step 120"."""
    return f"step {one.left.step:g}" if one.left else ""


def interval_of(left: Left) -> str:
    """Bounds of the step of a departure."""
    return f"[{left.early:g}, {left.late:g}]"


def size_of(one: MetricResult) -> str:
    """By how much a metric is off from its departure on, with its sign."""
    if one.left is None or not math.isfinite(one.left.size):
        return ""
    sign = "+" if one.left.size > 0 else "-"
    return sign + in_unit(abs(one.left.size), one.unit)


def worse_of(left: Left) -> str:
    """Whether the departure is for the worse, in a word; empty where neither way is."""
    return "" if left.worse is None else "worse" if left.worse else "better"


def detail(one: MetricResult) -> str:
    """The departure in one sentence."""
    left = one.left
    if left is None:
        return one.message
    said = one.message
    if math.isfinite(left.size):
        unit = f" {one.unit}" if one.unit and one.unit != "share" else ""
        worse = f", {worse_of(left)}" if worse_of(left) else ""
        said += f" (95% {interval_of(left)}), by {size_of(one)}{unit}{worse}; told at step {left.seen:g}"
    return said + (f"; p {p_of(one)}" if one.p is not None else "")


def p_of(one: MetricResult) -> str:
    """The p-value, corrected for the number of metrics."""
    if one.p is None:
        return ""
    return "< 0.0001" if one.p < 1e-4 else number(one.p, 2)  # noqa: PLR2004 - smaller ones are extrapolated


def level_of(one: MetricResult, value: float | None) -> str:
    """A value in the metric's unit; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else in_unit(value, one.unit)


def unit_of(one: MetricResult) -> str:
    """Unit and the way a good run goes, for a heading: "nats, lower is better"."""
    unit = "" if one.unit == "share" else one.unit
    return ", ".join(part for part in (unit, _WANTED.get(one.wanted, "")) if part)


def basis(report: WatchReport) -> str:
    """How the verdict was reached, honestly."""
    sides = f"{_runs(report.references)} against {_runs(report.candidates)}"
    if report.method is None:
        return sides
    said = {
        Method.LABELS: "every way to relabel the runs was tried, so the band is exact whatever the noise",
        Method.SEEDS: "the band is simulated after what the runs of a side differ by",
        Method.PAIR: (
            "one run a side: the band is simulated after the noise of their difference, and what two seeds "
            "differ by from beginning to end can't be told from a departure; several seeds a side can"
        ),
    }[report.method]
    looks = f"; look {report.look}, all looks together" if report.look > 1 else ""
    return f"{sides}; {said}. False alarms: {percent(report.level)}{looks}, all metrics together"


def sees(one: MetricResult) -> str:
    """What a departure would have had to be like to be told, for a metric that stayed."""
    if one.smallest is None or one.outcome is not Outcome.IN_BAND:
        return ""
    return f"±{level_of(one, one.smallest)}"


def names_of(one: MetricResult) -> str:
    """What the runs call a metric."""
    if one.reference_name == one.candidate_name:
        return one.reference_name
    return f"{one.reference_name} against {one.candidate_name}"


def span(run: RunSeen) -> str:
    """What was read of a run, in words."""
    if run.first_step is None or run.last_step is None:
        return f"{run.kind}, no metric"
    state = ", finished" if run.finished else ""
    return f"{run.kind}, steps {run.first_step:g} to {run.last_step:g}{state}"


def sparkline(values: tuple[float, ...], low: float, high: float, width: int) -> str:
    """A curve in so many characters, between two values."""
    if not values:
        return ""
    made = ""
    for place in range(min(width, len(values))):
        start = place * len(values) // min(width, len(values))
        stop = max(start + 1, (place + 1) * len(values) // min(width, len(values)))
        mean = sum(values[start:stop]) / (stop - start)
        share = (mean - low) / (high - low) if high > low else 0.5
        made += _BLOCKS[min(len(_BLOCKS) - 1, max(0, int(share * len(_BLOCKS))))]
    return made


def _runs(runs: tuple[RunSeen, ...]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
