"""The pictures: a metric of both sides over the steps, the reference's band, where the candidate left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.pieces import figure, section
from vllm_migrate.report.audit_html.plots import swatch
from vllm_migrate.report.watch_words import detail, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.watch.result import Curve, MetricResult, WatchReport

_HEIGHT = 240
_ROOM = 0.06
_MOST = 40
_LEGEND = (("arm-reference", "reference"), ("arm-candidate", "candidate"))


def curves(report: WatchReport) -> str:
    """The section; empty where nothing was judged."""
    drawn = [one for one in report.metrics if one.curve is not None][:_MOST]
    if not drawn:
        return ""
    items = "".join(f"<li>{swatch(css)}{name}</li>" for css, name in _LEGEND)
    items += '<li><span class="band-key"></span>95% band of the smoothed candidate, without a departure</li>'
    pictures = "".join(_figure(one, one.curve, n) for n, one in enumerate(drawn) if one.curve is not None)
    return section("The curves", f'<ul class="legend">{items}</ul><div class="figures">{pictures}</div>')


def _figure(one: MetricResult, curve: Curve, number: int) -> str:
    heights = [v for row in (curve.low, curve.high, curve.reference, curve.candidate) for v in row]
    bottom, top = min(heights), max(heights)
    room = _ROOM * (top - bottom) or abs(top) * _ROOM or 1.0
    first, last = curve.steps[0], curve.steps[-1]
    area = svg.panel((first, max(last, first + 1)), (bottom - room, top + room), height=_HEIGHT)
    if not math.isfinite(area.y.high - area.y.low):
        return ""
    x_ticks, y_ticks = svg.linear_ticks(area.x.low, area.x.high), svg.linear_ticks(area.y.low, area.y.high, 4)
    edge = [(area.x(x), area.y(y)) for x, y in zip(curve.steps, curve.high, strict=True)]
    edge += [(area.x(x), area.y(y)) for x, y in zip(curve.steps[::-1], curve.low[::-1], strict=True)]
    body = [svg.path(edge, "band"), svg.frame(area, x_ticks, y_ticks, "step", unit_of(one).partition(",")[0])]
    for values, css in (
        (curve.reference_raw, "raw arm-reference"),
        (curve.candidate_raw, "raw arm-candidate"),
        (curve.reference, "curve arm-reference"),
        (curve.candidate, "curve arm-candidate"),
    ):
        body.append(_line(area, curve.steps, values, css))
    if one.left is not None and first <= one.left.step <= last:
        early, late = area.x(one.left.early), area.x(one.left.late)
        body.insert(
            1, svg.boxes([(early, area.y.stop, max(1.0, late - early), area.y.start - area.y.stop)], "when")
        )
        at = area.x(one.left.step)
        body.append(svg.line(at, area.y.start, at, area.y.stop, "break"))
        side = "end" if at > (area.x.start + area.x.stop) / 2 else "start"
        body.append(
            svg.label(at + (-5 if side == "end" else 5), area.y.stop + 10, f"{one.left.step:g}", "mark", side)
        )
    caption = svg.Caption(f"curve{number}", f"{one.label} by step", detail(one))
    picture = svg.picture(caption, body, area.height).replace("<svg ", '<svg class="plot" ', 1)
    return figure(one.label, detail(one), picture)


def _line(area: svg.Panel, steps: Sequence[float], values: Sequence[float], css: str) -> str:
    return svg.path([(area.x(x), area.y(y)) for x, y in zip(steps, values, strict=True)], css)
