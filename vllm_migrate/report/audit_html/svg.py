"""The few SVG pieces the plots are made of: scales, ticks, a frame, paths. Colours are the style sheet's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 460
_SHORTEST_DECIMAL = 1e-4
_SHORT_RANGE = 100.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Data to picture coordinates along one axis. `low` < `high`; both positive where `log`."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Coordinate of `value`, kept inside the axis."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture's plotting area, with room for the labels round it."""

    x: Scale
    y: Scale
    height: int


def panel(
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    height: int,
    x_log: bool = False,
    y_log: bool = False,
) -> Panel:
    """A panel of standard width and margins."""
    return Panel(
        x=Scale(*x_range, start=50, stop=WIDTH - 14, log=x_log),
        y=Scale(*y_range, start=height - 40, stop=26, log=y_log),
        height=height,
    )


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) inside [low, high]."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten inside [low, high], at most `most`; over a short range 2 and 5 times them too."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high) + 1e-9) + 1)
    steps = (1, 2, 5) if high / low < _SHORT_RANGE else (1,)
    every = max(1, math.ceil(len(powers) / most))
    ticks = [step * 10.0**p for p in powers if p % every == 0 for step in steps]
    return [float(f"{tick:.6g}") for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def at(value: float) -> str:
    """A coordinate, to a tenth."""
    rounded = f"{value:.1f}"
    return rounded.removesuffix(".0")


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line class="{css}" x1="{at(x1)}" y1="{at(y1)}" x2="{at(x2)}" y2="{at(y2)}"/>'


def label(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """A piece of text. `words` is plain text."""
    return f'<text class="{css}" x="{at(x)}" y="{at(y)}" text-anchor="{anchor}">{text(words)}</text>'


def path(points: Sequence[tuple[float, float]], css: str) -> str:
    """A line through picture coordinates."""
    steps = "L".join(f"{at(x)} {at(y)}" for x, y in points)
    return f'<path class="{css}" d="M{steps}"/>' if points else ""


def boxes(cells: Sequence[tuple[float, float, float, float]], css: str) -> str:
    """Rectangles (x, y, width, height) of one colour as a single path."""
    steps = "".join(f"M{at(x)} {at(y)}h{at(w)}v{at(h)}h{at(-w)}z" for x, y, w, h in cells)
    return f'<path class="{css}" d="{steps}"/>' if steps else ""


def dot(x: float, y: float, css: str = "", radius: float = 4) -> str:
    """A point estimate."""
    classes = f"dot {css}".rstrip()
    return f'<circle class="{classes}" cx="{at(x)}" cy="{at(y)}" r="{at(radius)}"/>'


def frame(area: Panel, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str, y_name: str) -> str:
    """Grid lines, tick labels and both axes' names; the y axis is named above it, so nothing is turned."""
    x, y = area.x, area.y
    parts = [line(x.start, y(v), x.stop, y(v), "grid") for v in y_ticks]
    parts += [label(x.start - 6, y(v) + 4, tick(v), "tick", "end") for v in y_ticks]
    parts += [line(x(v), y.start, x(v), y.start + 4, "axis") for v in x_ticks]
    parts += [label(x(v), y.start + 17, tick(v), "tick", "middle") for v in x_ticks]
    parts.append(line(x.start, y.start, x.stop, y.start, "axis"))
    parts.append(label(x.stop, y.start + 34, x_name, "name", "end"))
    parts.append(label(4, 14, y_name, "name"))
    return "".join(parts)


def tick(value: float) -> str:
    """A tick's label: as short as it can be. Large counts as 1k, 1M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    shown = f"{value:.3g}"
    return shown.replace("e-0", "e-") if abs(value) < _SHORTEST_DECIMAL else shown


@dataclass(frozen=True, slots=True)
class Caption:
    """What a screen reader says of a picture, plain text, and the key, unique on a page, of its ids."""

    key: str
    title: str
    description: str


def picture(caption: Caption, body: Iterable[str], height: int, width: int = WIDTH) -> str:
    """An SVG element of the given view box that a screen reader announces by its caption."""
    key = caption.key
    return (
        f'<svg role="img" aria-labelledby="{key}-t {key}-d" viewBox="0 0 {width} {height}">'
        f'<title id="{key}-t">{text(caption.title)}</title>'
        f'<desc id="{key}-d">{text(caption.description)}</desc>{"".join(body)}</svg>'
    )
