"""Δlogp against the reference's logprob, as a grid of shaded cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import bins, svg
from vllm_migrate.report.numbers import count
from vllm_migrate.report.words import arm_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.report.audit_html.plots import Curve

_SHADES = 6
_KEY_CELL = 12


def densities(drawn: Sequence[Curve]) -> list[str]:
    """One picture per arm, on common axes.

    Args:
        drawn: arms with reference logprobs.
    """
    reach = max(bins.upper_quantile(c.tokens.deltas, 0.999) for c in drawn)
    depth = max(bins.upper_quantile(c.tokens.reference, 0.999) for c in drawn)
    x_range, y_range = (-max(1.05 * depth, 0.1), 0.0), (-max(1.15 * reach, 1e-6), max(1.15 * reach, 1e-6))
    area = svg.panel(x_range, y_range, height=250)
    grids = [bins.density(c.tokens.reference, c.tokens.deltas, x_range, y_range) for c in drawn]
    most = max(1, *(max(map(max, grid.rows)) for grid in grids))
    return [
        _density(curve, grid, area, most, f"density-{index}")
        for index, (curve, grid) in enumerate(zip(drawn, grids, strict=True))
    ]


def _density(curve: Curve, grid: bins.Density, area: svg.Panel, most: int, key: str) -> str:
    name = arm_label(curve.arm)
    x_ticks, y_ticks = svg.linear_ticks(area.x.low, 0), svg.linear_ticks(area.y.low, area.y.high)
    body = [svg.frame(area, x_ticks, y_ticks, "reference logprob, nats", "Δlogp, nats")]
    body.append(svg.line(area.x.start, area.y(0), area.x.stop, area.y(0), "axis"))
    body += [svg.boxes(cells, f"cell s{k} {curve.css}") for k, cells in enumerate(_cells(grid, area, most))]
    body.append(_shade_key(curve.css, most))
    if grid.beyond:
        body.append(svg.label(area.x.start, area.height - 6, f"{count(grid.beyond)} beyond the axes", "note"))
    said = f"{count(int(curve.tokens.deltas.size))} tokens; darker cells hold more, up to {count(most)}."
    return svg.picture(
        svg.Caption(key, f"Δlogp against the reference's logprob, {name}", said), body, area.height
    )


def _cells(grid: bins.Density, area: svg.Panel, most: int) -> list[list[tuple[float, float, float, float]]]:
    """The rectangles of each shade."""
    shades: list[list[tuple[float, float, float, float]]] = [[] for _ in range(_SHADES)]
    height = (area.y.start - area.y.stop) / len(grid.rows)
    for r, row in enumerate(grid.rows):
        width = (area.x.stop - area.x.start) / len(row)
        top = area.y.start - (r + 1) * height
        for start, stop, shade in _runs(row, most):
            shades[shade].append((area.x.start + start * width, top, (stop - start) * width, height))
    return shades


def _runs(row: Sequence[int], most: int) -> list[tuple[int, int, int]]:
    """(start, stop, shade) of neighbouring cells of one shade; empty cells are left out."""
    runs: list[tuple[int, int, int]] = []
    for k, tokens in enumerate(row):
        if not tokens:
            continue
        shade = _shade(tokens, most)
        if runs and runs[-1][1:] == (k, shade):
            runs[-1] = (runs[-1][0], k + 1, shade)
        else:
            runs.append((k, k + 1, shade))
    return runs


def _shade(tokens: int, most: int) -> int:
    """0 to 5, logarithmic in the number of tokens."""
    return min(_SHADES - 1, int(_SHADES * math.log1p(tokens) / math.log1p(most + 1)))


def _shade_key(css: str, most: int) -> str:
    right = svg.WIDTH - 48
    left = right - _SHADES * _KEY_CELL
    parts = [
        svg.boxes([(left + k * _KEY_CELL, 5, _KEY_CELL, 10)], f"cell s{k} {css}") for k in range(_SHADES)
    ]
    parts.append(svg.label(left - 4, 14, "1", "tick", "end"))
    parts.append(svg.label(right + 4, 14, svg.tick(most), "tick"))
    return "".join(parts)
