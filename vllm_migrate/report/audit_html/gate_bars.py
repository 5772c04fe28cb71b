"""Gating figures drawn against their margins, one small picture for each row of the table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.numbers import in_unit, interval, limit
from vllm_migrate.report.words import words_for

if TYPE_CHECKING:
    from vllm_migrate.audit.result import Check

_WIDTH, _HEIGHT = 220, 22
_SCALE = svg.Scale(0.01, 100, start=6, stop=_WIDTH - 6, log=True)


def gate_bar(check: Check, css: str, key: str) -> str:
    """One gating figure as a bar with its interval, in units of its margin, from 1/100 to 100 times, log.

    Args:
        check: the figure; one without a usable margin gets no bar.
        css: the arm's class.
        key: unique on the page.
    """
    words = words_for(check.metric)
    middle = _HEIGHT / 2
    body = [svg.line(_SCALE(1), 1, _SCALE(1), _HEIGHT - 1, "clip")]
    bounds = interval(check.low, check.high, words.unit)
    described = f"{in_unit(check.value, words.unit)} {bounds}".strip()
    described += f", margin {limit(check.margin, words.unit)}, {check.verdict.value}"
    margin = abs(check.margin - words.ideal)
    if margin > 0 and math.isfinite(check.value):
        value = _place(abs(check.value - words.ideal) / margin)
        body.append(svg.boxes([(_SCALE.start, middle - 4, value - _SCALE.start, 8)], f"bar {css}"))
        reach = _distances(check, words.ideal)
        if reach:
            left, right = (_place(bound / margin) for bound in reach)
            body.append(svg.line(left, middle, right, middle, "whisker"))
            body += [svg.line(end, middle - 4, end, middle + 4, "whisker") for end in (left, right)]
        body.append(svg.dot(value, middle))
    return svg.picture(
        svg.Caption(key, f"{words.label} against its margin", described), body, _HEIGHT, _WIDTH
    )


def _place(margins: float) -> float:
    return _SCALE(max(margins, _SCALE.low))


def _distances(check: Check, ideal: float) -> tuple[float, float] | None:
    """The interval of the distance from the ideal; it starts at 0 where the interval holds the ideal."""
    if check.low is None or check.high is None:
        return None
    low, high = check.low - ideal, check.high - ideal
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    near, far = sorted((abs(low), abs(high)))
    return (0.0 if low <= 0 <= high else near, far)


def gate_axis() -> str:
    """The scale above the gate bars."""
    body = [
        svg.label(_SCALE(0.01) - 4, 14, "1/100", "tick"),
        svg.label(_SCALE(1), 14, "margin", "mark", "middle"),
        svg.label(_SCALE(100) + 4, 14, "x 100", "tick", "end"),
    ]
    caption = svg.Caption(
        "gate-axis",
        "Scale of the bars",
        "Logarithmic, from a hundredth of the margin to a hundred times the margin.",
    )
    return svg.picture(caption, body, _HEIGHT, _WIDTH)
