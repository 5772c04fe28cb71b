"""The two pictures: how the rewards are spread, by engine where there are two; and reward against length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import figure, folded, row, section, table
from vllm_migrate.report.audit_html.plots import swatch
from vllm_migrate.report.numbers import count, given, number, percent
from vllm_migrate.report.reward_words import completions
from vllm_migrate.reward.shift.histogram import MOST_VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.outcome import LengthCurve, RewardReport

_HEIGHT = 250
_BINS = 20
_COLOURS = ("arm-reference", "arm-candidate", "arm-remedy", "arm-flip1")
_ROOM = 0.05
_RADIUS = 2.2


@dataclass(frozen=True, slots=True)
class Spread:
    """Rewards counted in common bins.

    Attributes:
        edges: (low, high) of every bin, equal where a bin is a single value.
        counts: of every engine, one a bin.
    """

    edges: tuple[tuple[float, float], ...]
    counts: tuple[tuple[int, ...], ...]


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
    sizes = [max(1, sum(counts)) for counts in found.counts]
    shares = [[n / size for n in counts] for counts, size in zip(found.counts, sizes, strict=True)]
    bins = len(found.edges)
    area = svg.panel((0.0, float(bins)), (0.0, 1.12 * max(map(max, shares))), height=_HEIGHT)
    ticks = svg.linear_ticks(0, area.y.high, 4)
    body = [svg.line(area.x.start, area.y(v), area.x.stop, area.y(v), "grid") for v in ticks]
    body += [svg.label(area.x.start - 6, area.y(v) + 4, f"{v * 100:.3g}%", "tick", "end") for v in ticks]
    for side, heights in enumerate(shares):
        cells = [_bar(area, n, side, len(shares), share) for n, share in enumerate(heights) if share]
        body.append(svg.boxes(cells, f"bar {_COLOURS[side]}"))
    body.append(svg.line(area.x.start, area.y.start, area.x.stop, area.y.start, "axis"))
    body += _names(area, found.edges)
    body.append(svg.label(area.x.stop, area.y.start + 34, "reward", "name", "end"))
    body.append(svg.label(4, 14, "share of completions", "name"))
    silent = sum(value is None for value in report.rewards)
    said = f"{completions(sizes[0])} with a reward" + (f", {count(silent)} without." if silent else ".")
    legend = ""
    if len(named) > 1:
        items = "".join(f"<li>{swatch(_COLOURS[n])}{text(name)}</li>" for n, (name, _) in enumerate(named))
        legend = f'<ul class="legend">{items}</ul>'
    picture = svg.picture(svg.Caption("rewards", "Distribution of the rewards", said), body, area.height)
    names = [name or "completions" for name, _ in named]
    counted = folded("Counts", _table(found, names, sizes))
    return figure("How the rewards are spread", said, legend + _plot(picture) + counted)


def _plot(picture: str) -> str:
    return picture.replace("<svg ", '<svg class="plot" ', 1)


def _bar(area: svg.Panel, n: int, side: int, sides: int, share: float) -> tuple[float, float, float, float]:
    step = area.x(1) - area.x(0)
    width = min(0.78 * step / sides, 40.0)
    left = area.x(n + 0.5) + (side - sides / 2) * width
    return left, area.y(share), width - min(1.0, width / 4), area.y.start - area.y(share)


def _names(area: svg.Panel, edges: Sequence[tuple[float, float]]) -> list[str]:
    """Single values under their bars; of ranges, the edges, as many as can be read."""
    if all(low == high for low, high in edges):
        return [
            svg.label(area.x(n + 0.5), area.y.start + 17, svg.tick(low), "tick", "middle")
            for n, (low, _) in enumerate(edges)
        ]
    bounds = [*(low for low, _ in edges), edges[-1][1]]
    every = max(1, len(edges) // 5)
    return [
        svg.label(area.x(n), area.y.start + 17, svg.tick(bounds[n]), "tick", "middle")
        for n in range(0, len(bounds), every)
    ]


def _table(found: Spread, names: Sequence[str], sizes: Sequence[int]) -> str:
    rows = []
    for place, (low, high) in enumerate(found.edges):
        cells = [
            f'<td class="n">{count(counts[place])} ({percent(counts[place] / size)})</td>'
            for counts, size in zip(found.counts, sizes, strict=True)
        ]
        rows.append(row(given(low) if low == high else f"{given(low)} to {given(high)}", cells))
    head = ["reward", *(text(name) for name in names)]
    return table("Completions by reward.", head, f"<tbody>{''.join(rows)}</tbody>")


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
