"""The report's pictures, as inline SVG made from binned per-token values.

Every arm keeps one colour and one dash pattern on the whole page (classes `arm-...` of the style sheet).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import bins, svg
from vllm_migrate.report.numbers import count, given, limit, number, percent
from vllm_migrate.report.words import arm_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import Arm

_RATIO_BINS = 81  # odd, so that a ratio of exactly 1 lies in the middle of a bar
_RATIO_TICKS = (1.0, 0.8, 1.25, 0.5, 2.0, 0.33, 3.0, 0.2, 5.0, 0.1, 10.0, 0.9, 1.1, 0.95, 1.05, 0.98, 1.02)
_RATIO_TICK_ROOM = 34  # picture units a label needs
_WIDEST_RATIO = 12.0  # ratios beyond are counted, not drawn
_CURVE_POINTS = 140


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm's tokens, with what is needed to draw and name them."""

    arm: Arm
    css: str
    tokens: bins.Tokens


def curves(arms: Sequence[Arm], css: dict[str, str]) -> list[Curve]:
    """The arms that carry per-token values; `css` maps an arm's name to its class."""
    return [Curve(arm, css[arm.name], bins.tokens_of(arm)) for arm in arms if arm.deltas]


def swatch(css: str) -> str:
    """The piece of line that stands for an arm in a legend. Decorative: the arm's name stands beside it."""
    return (
        '<svg class="swatch" aria-hidden="true" viewBox="0 0 26 10">'
        f'<path class="curve {css}" d="M1 5H25"/></svg>'
    )


def ratio_histograms(drawn: Sequence[Curve], clip: tuple[float, float]) -> list[str]:
    """One histogram of the policy ratio per arm, on common axes, with the clip range marked.

    The arm's logprob would be the behaviour's and the reference stands for the policy, which has not moved:
    the ratio is exp(-Δlogp), the one whose clip rate the audit reports.
    """
    edges = [math.log(min(max(bound, 1 / _WIDEST_RATIO), _WIDEST_RATIO)) for bound in clip if bound > 0]
    tail = max(bins.upper_quantile(curve.tokens.deltas, 0.999) for curve in drawn)
    limit = min(max(1.15 * tail, *(1.6 * abs(edge) for edge in edges)), math.log(_WIDEST_RATIO))
    counted = [bins.histogram(-curve.tokens.deltas, limit, _RATIO_BINS) for curve in drawn]
    top = 1.6 * max(10, *(max(counts) for counts, _ in counted))
    area = svg.panel((-limit, limit), (0.7, top), height=196, y_log=True)
    around = [_outside_clip(area, edges), _ratio_frame(area)]
    marks = [svg.line(area.x(edge), area.y.start, area.x(edge), area.y.stop, "clip") for edge in edges]
    for edge, bound in zip(edges, (bound for bound in clip if bound > 0), strict=True):
        aside, anchor = (-4, "end") if edge < 0 else (4, "start")
        marks.append(svg.label(area.x(edge) + aside, area.y.stop + 11, given(bound), "mark", anchor))
    return [
        svg.picture(
            _ratio_caption(curve, counts, beyond, f"ratio-{index}"),
            [*around, _bars(area, counts, curve.css), *marks, _ratio_notes(area, curve, beyond)],
            area.height,
        )
        for index, (curve, (counts, beyond)) in enumerate(zip(drawn, counted, strict=True))
    ]


def _ratio_caption(curve: Curve, counts: Sequence[int], beyond: int, key: str) -> svg.Caption:
    name = arm_label(curve.arm)
    said = f"{count(sum(counts))} tokens of the {name}, {count(beyond)} more beyond the axis."
    return svg.Caption(key, f"Policy ratio, {name}", f"{said} {_clipped(curve.arm)}".strip())


def _ratio_notes(area: svg.Panel, curve: Curve, beyond: int) -> str:
    note = svg.label(area.x.stop, 14, _clipped(curve.arm), "note", "end")
    if beyond:
        note += svg.label(area.x.start, area.y.start + 34, f"{count(beyond)} beyond the axis", "note")
    return note


def _clipped(arm: Arm) -> str:
    metrics = arm.against_reference
    return f"{percent(metrics.clip_rate.value)} outside the clip range" if metrics else ""


def _outside_clip(area: svg.Panel, edges: Sequence[float]) -> str:
    height = area.y.start - area.y.stop
    cells = [
        (area.x.start, area.y.stop, area.x(edge) - area.x.start, height)
        if edge < 0
        else (area.x(edge), area.y.stop, area.x.stop - area.x(edge), height)
        for edge in edges
    ]
    return svg.boxes(cells, "outside")


def _ratio_frame(area: svg.Panel) -> str:
    """A frame whose x axis is linear in the log ratio and labelled with ratios, as many as can be read."""
    taken: list[float] = []
    parts = [svg.frame(area, [], svg.log_ticks(1, area.y.high), "policy ratio (log)", "tokens (log)")]
    for ratio in _RATIO_TICKS:
        where = area.x(math.log(ratio))
        if abs(math.log(ratio)) > area.x.high or any(abs(where - x) < _RATIO_TICK_ROOM for x in taken):
            continue
        taken.append(where)
        parts.append(svg.line(where, area.y.start, where, area.y.start + 4, "axis"))
        parts.append(svg.label(where, area.y.start + 17, svg.tick(ratio), "tick", "middle"))
    return "".join(parts)


def _bars(area: svg.Panel, counts: Sequence[int], css: str) -> str:
    width = (area.x.stop - area.x.start) / len(counts)
    cells = [
        (area.x.start + k * width, area.y(n), width, area.y.start - area.y(n))
        for k, n in enumerate(counts)
        if n
    ]
    return svg.boxes(cells, f"bar {css}")


def exceedance(drawn: Sequence[Curve], margin: float | None, floor: float | None) -> str:
    """Share of tokens that differ by more than x, per arm, log-log.

    Args:
        drawn: the arms.
        margin: of mean |Δlogp|, nats, drawn as a line; None draws none.
        floor: the noise floor's mean |Δlogp|, nats, drawn as a line; None or 0 draws none.
    """
    marks = [value for value in (margin, floor) if value]
    high = 1.3 * max([1e-6, *marks, *(bins.upper_quantile(c.tokens.deltas, 1) for c in drawn)])
    small = [value for value in (bins.smallest_positive(c.tokens.deltas) for c in drawn) if value]
    low = max(min([*small, *marks, high / 100]) / 2, high * 1e-6)
    most = max(c.tokens.deltas.size for c in drawn)
    area = svg.panel((low, high), (0.7 / max(most, 2), 1.2), height=300, x_log=True, y_log=True)
    x_name, y_name = "x = |Δlogp|, nats (log)", "share of tokens with |Δlogp| > x (log)"
    body = [svg.frame(area, svg.log_ticks(low, high), svg.log_ticks(area.y.low, 1), x_name, y_name)]
    for curve in drawn:
        points = bins.exceedance(curve.tokens.deltas, low, high, _CURVE_POINTS)
        body.append(svg.path([(area.x(x), area.y(y)) for x, y in points], f"curve {curve.css}"))
    floor_first = not (margin and floor) or floor <= margin
    if floor:
        body.append(_upright(area, floor, f"noise floor {number(floor)}", to_the_left=floor_first))
    if margin:
        body.append(_upright(area, margin, f"margin {limit(margin)}", to_the_left=not floor_first))
    said = "; ".join(_spread(curve.arm) for curve in drawn)
    return svg.picture(svg.Caption("exceedance", "Distribution of |Δlogp| by arm", said), body, area.height)


def _spread(arm: Arm) -> str:
    metrics = arm.against_reference
    if metrics is None:
        return arm_label(arm)
    mean, p99, most = (number(x) for x in (metrics.mean_abs.value, metrics.p99_abs, metrics.max_abs))
    return f"{arm_label(arm)}: mean {mean}, p99 {p99}, max {most} nats"


def _upright(area: svg.Panel, value: float, words: str, *, to_the_left: bool) -> str:
    """A marked x. The words stand beside the foot of the line, on the other side where there is no room."""
    room = 6.5 * len(words)
    where = area.x(value)
    left = where - room > area.x.start if to_the_left else where + room > area.x.stop
    named = svg.label(
        where + (-4 if left else 4), area.y.start - 7, words, "mark", "end" if left else "start"
    )
    return svg.line(where, area.y.start, where, area.y.stop, "clip") + named
