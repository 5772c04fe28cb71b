"""Mean |Δlogp| along something: the position in the completion, the probability under the reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import bins, svg
from vllm_migrate.report.numbers import number
from vllm_migrate.report.words import arm_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vllm_migrate.report.audit_html.plots import Curve

    Steps = list[tuple[float, float, float]]

_BINS = 32
_LEAST_LIKELY = -46.0  # nats, 1e-20: below it the axis would be all there is to see


def by_position(drawn: Sequence[Curve]) -> str | None:
    """By the token's position in the completion; None where there is nothing to draw."""
    lines = [(c, bins.mean_by_position(c.tokens.positions, c.tokens.deltas, _BINS)) for c in drawn]
    means = [mean for _, steps in lines for _, _, mean in steps if mean > 0]
    if not means:
        return None
    last = max(end for _, steps in lines for _, end, _ in steps)
    area = svg.panel((0.0, max(last, 1.0)), _at_least_a_decade(means), height=300, y_log=True)
    ticks = svg.linear_ticks(0, area.x.high, 6)
    caption = svg.Caption("position", "Mean |Δlogp| by position", _ends(lines, "at the start", "at the end"))
    return _picture(area, ticks, "position in the completion, tokens", caption, lines)


def by_probability(drawn: Sequence[Curve]) -> str | None:
    """By the token's probability under the reference, logarithmic; None where there is nothing to draw."""
    lines = []
    for curve in drawn:
        if curve.tokens.reference.size:
            steps = bins.mean_by_value(curve.tokens.reference, curve.tokens.deltas, _BINS)
            lines.append((curve, [_as_probability(step) for step in steps]))
    means = [mean for _, steps in lines for _, _, mean in steps if mean > 0]
    if not means:
        return None
    low = min(0.1, *(start for _, steps in lines for start, _, _ in steps))
    area = svg.panel((low, 1.0), _at_least_a_decade(means), height=300, x_log=True, y_log=True)
    said = _ends(lines, "for the rarest", "for the likeliest tokens")
    caption = svg.Caption("probability", "Mean |Δlogp| by probability", said)
    name = "probability under the reference (log)"
    return _picture(area, svg.log_ticks(low, 1.0), name, caption, lines)


def _as_probability(step: tuple[float, float, float]) -> tuple[float, float, float]:
    low, high = (math.exp(min(max(bound, _LEAST_LIKELY), 0.0)) for bound in step[:2])
    return low, high, step[2]


def _picture(
    area: svg.Panel,
    ticks: Sequence[float],
    name: str,
    caption: svg.Caption,
    lines: Sequence[tuple[Curve, Steps]],
) -> str:
    y_ticks = svg.log_ticks(area.y.low, area.y.high)
    body = [svg.frame(area, ticks, y_ticks, name, "mean |Δlogp|, nats (log)")]
    for curve, steps in lines:
        for run in _positive_runs(steps):
            corners = [(area.x(x), area.y(mean)) for start, end, mean in run for x in (start, end)]
            body.append(svg.path(corners, f"curve {curve.css}"))
    return svg.picture(caption, body, area.height)


def _ends(lines: Sequence[tuple[Curve, Steps]], first: str, last: str) -> str:
    return "; ".join(
        f"{arm_label(curve.arm)}: {number(steps[0][2])} {first}, {number(steps[-1][2])} {last}"
        for curve, steps in lines
        if steps
    )


def _at_least_a_decade(means: Iterable[float]) -> tuple[float, float]:
    ordered = sorted(means)
    low, high = ordered[0] / 1.6, ordered[-1] * 1.6
    missing = math.sqrt(max(1.0, 10 * low / high))
    return low / missing, high * missing


def _positive_runs(steps: Iterable[tuple[float, float, float]]) -> list[list[tuple[float, float, float]]]:
    """Runs of bins with a mean above zero: a logarithmic axis has no place for the others."""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for step in steps:
        if step[2] > 0:
            runs[-1].append(step)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
