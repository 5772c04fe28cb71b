"""How rewards are spread over bins: bars of each side in its colour, and the counts as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import folded, row, table
from vllm_migrate.report.numbers import count, given, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILLED, _WIDEST = 0.78, 40.0
"""Share of a bin that its bars take, and units of one bar."""
_GAP = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Rewards counted in common bins.

    Attributes:
        edges: (low, high) of every bin, equal where a bin is a single value.
        counts: of every side, one a bin.
    """

    edges: tuple[tuple[float, float], ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> list[int]:
        """Rewards of every side; 1 where there is none, to divide by."""
        return [max(1, sum(counts)) for counts in self.counts]


def bars(spread: Spread, colours: Sequence[str], said: str, *, height: int) -> str:
    """The picture: each side's share of its own rewards by bin.

    Args:
        spread: at least one bin.
        colours: a class a side.
        said: what the picture shows, for those who don't see it.
        height: of the picture, in its units.
    """
    shares = [[n / size for n in counts] for counts, size in zip(spread.counts, spread.sizes, strict=True)]
    area = svg.panel((0.0, float(len(spread.edges))), (0.0, 1.12 * max(map(max, shares))), height=height)
    ticks = svg.linear_ticks(0, area.y.high, 4)
    body = [svg.line(area.x.start, area.y(v), area.x.stop, area.y(v), "grid") for v in ticks]
    body += [svg.label(area.x.start - 6, area.y(v) + 4, f"{v * 100:.3g}%", "tick", "end") for v in ticks]
    for side, (heights, css) in enumerate(zip(shares, colours, strict=True)):
        cells = [_bar(area, n, side, len(shares), share) for n, share in enumerate(heights) if share]
        body.append(svg.boxes(cells, f"bar {css}"))
    body.append(svg.line(area.x.start, area.y.start, area.x.stop, area.y.start, "axis"))
    body += _names(area, spread.edges)
    body.append(svg.label(area.x.stop, area.y.start + 34, "reward", "name", "end"))
    body.append(svg.label(4, 14, "share of completions", "name"))
    return svg.picture(svg.Caption("rewards", "Distribution of the rewards", said), body, area.height)


def counts_table(spread: Spread, names: Sequence[str]) -> str:
    """The counts, folded; `names` of the sides are plain text."""
    rows = []
    for place, (low, high) in enumerate(spread.edges):
        cells = [
            f'<td class="n">{count(counts[place])} ({percent(counts[place] / size)})</td>'
            for counts, size in zip(spread.counts, spread.sizes, strict=True)
        ]
        rows.append(row(given(low) if low == high else f"{given(low)} to {given(high)}", cells))
    head = ["reward", *map(text, names)]
    return folded("Counts", table("Completions by reward.", head, f"<tbody>{''.join(rows)}</tbody>"))


def _bar(area: svg.Panel, n: int, side: int, sides: int, share: float) -> tuple[float, float, float, float]:
    step = area.x(1) - area.x(0)
    width = min(_FILLED * step / sides, _WIDEST)
    left = area.x(n + 0.5) + (side - sides / 2) * width
    return left, area.y(share), width - min(_GAP, width / 4), area.y.start - area.y(share)


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
