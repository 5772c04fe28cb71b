"""The two pictures: how the rewards are spread, by engine where there are two; and reward against length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.audit.shift.histogram import MOST_VALUES
from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import figure, section
from vllm_migrate.report.audit_html.plots import swatch
from vllm_migrate.report.audit_html.reward_bars import Spread, bars, counts_table
from vllm_migrate.report.numbers import count, number
from vllm_migrate.report.reward_words import completions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.outcome import LengthCurve, RewardReport

_HEIGHT = 250
_BINS = 20
_COLOURS = ("arm-reference", "arm-candidate", "arm-remedy", "arm-flip1")
_ROOM = 0.05
_RADIUS = 2.2


def plots(report: RewardReport) -> str:
    """The section; empty where no rewards are known."""
    histogram, curve = _histogram(report), _curve(report.curve)
    if not histogram and not curve:
        return ""
    return section("The rewards", f'<div class="figures">{histogram}{curve}</div>')


def spread_of(sides: Sequence[Sequence[float | None]]) -> Spread:
    """The rewards of all engines in the same bins: one a value where these are few, else ranges."""
    finite = [[v for v in side if v is not None and math.isfinite(v)] for side in sides]
    values = sorted({value for side in finite for value in side})
    if not values:
        return Spread((), ())
    low, high = values[0], values[-1]
    step = (high - low) / _BINS
    if len(values) <= MOST_VALUES:
        counts = tuple(tuple(side.count(value) for value in values) for side in finite)
        return Spread(tuple((value, value) for value in values), counts)
    bounds = [low + step * place for place in range(_BINS)]
    if not math.isfinite(step) or len(set(bounds)) < _BINS:  # too wide or too narrow to be divided
        return Spread(((low, high),), tuple((len(side),) for side in finite))
    ranges = [[0] * _BINS for _ in finite]
    for side, counted in zip(finite, ranges, strict=True):
        for value in side:
            counted[min(_BINS - 1, int((value - low) / step))] += 1
    edges = tuple(zip(bounds, [*bounds[1:], high], strict=True))
    return Spread(edges, tuple(map(tuple, ranges)))


def _histogram(report: RewardReport) -> str:
    named = [(one.name, one.rewards) for one in report.engines] or [("", report.rewards)]
    named = named[: len(_COLOURS)]
    found = spread_of([rewards for _, rewards in named])
    if not found.edges:
        return ""
    silent = sum(value is None for value in report.rewards)
    said = f"{completions(found.sizes[0])} with a reward" + (f", {count(silent)} without." if silent else ".")
    legend = ""
    if len(named) > 1:
        items = "".join(f"<li>{swatch(_COLOURS[n])}{text(name)}</li>" for n, (name, _) in enumerate(named))
        legend = f'<ul class="legend">{items}</ul>'
    picture = bars(found, _COLOURS[: len(named)], said, height=_HEIGHT)
    table = counts_table(found, [name or "completions" for name, _ in named])
    return figure("How the rewards are spread", said, legend + _plot(picture) + table)


def _plot(picture: str) -> str:
    return picture.replace("<svg ", '<svg class="plot" ', 1)


def _curve(curve: LengthCurve | None) -> str:
    if curve is None:
        return ""
    low, high = min(curve.lengths), max(curve.lengths)
    heights = [*curve.rewards, *curve.fitted]
    bottom, top = min(heights), max(heights)
    room = _ROOM * (top - bottom) or 1.0
    area = svg.panel((low, max(high, low + 1)), (bottom - room, top + room), height=_HEIGHT)
    x_ticks, y_ticks = svg.linear_ticks(area.x.low, area.x.high), svg.linear_ticks(area.y.low, area.y.high)
    body = [svg.frame(area, x_ticks, y_ticks, "length of the completion, characters", "reward")]
    dots = {(svg.at(area.x(x)), svg.at(area.y(y))) for x, y in zip(curve.lengths, curve.rewards, strict=True)}
    size = svg.at(2 * _RADIUS)
    circles = "".join(
        f"M{x} {y}m-{_RADIUS} 0a{_RADIUS} {_RADIUS} 0 1 0 {size} 0a{_RADIUS} {_RADIUS} 0 1 0 -{size} 0z"
        for x, y in sorted(dots)
    )
    body.append(f'<path class="points" d="{circles}"/>')
    fitted = [(area.x(x), area.y(y)) for x, y in zip(curve.fitted_lengths, curve.fitted, strict=True)]
    body.append(svg.path(fitted, "curve fitted"))
    ends = f"{number(curve.fitted[0])} at {curve.fitted_lengths[0]:.0f} characters"
    ends += f" to {number(curve.fitted[-1])} at {curve.fitted_lengths[-1]:.0f}"
    said = f"The line is a spline through all completions, right and wrong: {ends}."
    picture = svg.picture(svg.Caption("length", "Reward against length", said), body, area.height)
    return figure("Reward against length", said, _plot(picture))
