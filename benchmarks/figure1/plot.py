"""Draw the figure: clip rate, KL, entropy and reward of V0, V1 at its defaults and V1 rewritten.

    python benchmarks/figure1/plot.py    # docs/figure1.svg and docs/figure1-gspo.svg, from the results

Lines are means over seeds, bands reach from the lowest seed to the highest. The picture has its own paper and
follows the reader's light or dark; dashes tell the arms apart where colours do not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arms import GRPO, MAIN, OBJECTIVES
from outcome import Curves, load

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import text

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = Path(__file__).resolve().parents[2] / "docs"
HEIGHT, TOP, GAP = 250, 64, 20
NAMES = {"v0": "V0 0.8.5", "v1-default": "V1 0.32.0, defaults", "v1-rewritten": "V1, rewritten"}
STYLE = """
svg { --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae0;
  --v1-default: #b9480a; --v1-rewritten: #0b63b0; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14171a; --ink: #e4e7ea; --soft: #a3acb5; --rule: #343a41;
    --v1-default: #f48b4e; --v1-rewritten: #6fb3f5; }
}
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--soft); }
.title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.name, .key { font-size: 13px; fill: var(--ink); }
.paper { fill: var(--paper); } .grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); }
.curve { fill: none; stroke-width: 2; } .band { opacity: 0.18; }
.v0 { stroke: var(--ink); stroke-dasharray: 6 4; } .band.v0 { fill: var(--ink); stroke: none; }
.v1-default { stroke: var(--v1-default); } .band.v1-default { fill: var(--v1-default); stroke: none; }
.v1-rewritten { stroke: var(--v1-rewritten); stroke-dasharray: 2 2; }
.band.v1-rewritten { fill: var(--v1-rewritten); stroke: none; }
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How a metric is drawn: title, ends of its axis where these are fixed; `floor` makes it logarithmic."""

    title: str
    low: float | None = None
    high: float | None = None
    floor: float = 0.0


LOOKS = {
    "clip_rate": Look("clip rate", high=1.0, floor=1e-4),
    "kl_new_old": Look("KL new/old (k3), nats", high=1.0, floor=3e-5),
    "entropy": Look("entropy, nats"),
    "reward": Look("reward", low=0.0, high=1.0),
}


def draw(arms: Sequence[Curves], objective: str) -> str:
    """The whole picture."""
    width = 2 * svg.WIDTH + GAP
    height = TOP + 2 * HEIGHT + 8
    key = [_key(curves, 10 + 210 * place) for place, curves in enumerate(arms)]
    seeds = min(len(curves.seeds) for curves in arms)
    title = f"{objective.upper()} on rollouts of three engines"
    parts = [
        f'<rect class="paper" width="{width}" height="{height}"/>',
        svg.label(10, 24, f"{title}, {seeds} seeds: mean, lowest and highest", "title"),
        *key,
    ]
    for place, (metric, look) in enumerate(LOOKS.items()):
        left, top = (svg.WIDTH + GAP) * (place % 2), TOP + HEIGHT * (place // 2)
        parts.append(f'<g transform="translate({left} {top})">{_panel(arms, metric, look)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="t d"><title id="t">{text(title)}</title>'
        f'<desc id="d">{text(_words(arms))}</desc><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _key(curves: Curves, x: float) -> str:
    line = svg.path([(x, 46), (x + 34, 46)], f"curve {curves.arm}")
    return line + svg.label(x + 42, 50, NAMES[curves.arm], "key")


def _panel(arms: Sequence[Curves], metric: str, look: Look) -> str:
    rows = [row for curves in arms for row in curves.of[metric]]
    steps = len(rows[0])
    values = [max(value, look.floor) for row in rows for value in row]
    low = look.floor or (min(values) if look.low is None else look.low)
    high = max(values) if look.high is None else look.high
    room = 0.0 if look.low is not None or look.floor else 0.05 * (high - low)
    area = svg.panel((0, steps - 1), (low - room, high + room), height=HEIGHT, y_log=bool(look.floor))
    ticks = svg.log_ticks(low, high) if look.floor else svg.linear_ticks(low - room, high + room)
    parts = [svg.frame(area, svg.linear_ticks(0, steps - 1), ticks, "step", look.title)]
    for curves in arms:
        edges = [
            [
                (area.x(step), area.y(pick(column)))
                for step, column in enumerate(zip(*curves.of[metric], strict=True))
            ]
            for pick in (min, max)
        ]
        outline = [*edges[0], *reversed(edges[1])]
        parts.append(svg.path(outline, f"band {curves.arm}"))
    for curves in arms:
        points = [(area.x(step), area.y(value)) for step, value in enumerate(curves.mean(metric))]
        parts.append(svg.path(points, f"curve {curves.arm}"))
    return "".join(parts)


def _words(arms: Sequence[Curves]) -> str:
    """What the picture shows, for those who can't see it."""
    said = []
    for curves in arms:
        first, last = curves.mean("reward")[0], curves.mean("reward")[-1]
        clip = curves.mean("clip_rate")
        said.append(
            f"{NAMES[curves.arm]}: reward from {first:.2f} to {last:.2f}, "
            f"clip rate {sum(clip) / len(clip):.2g} on average."
        )
    return " ".join(said)


def main() -> int:
    """Draw each objective whose three arms are there."""
    kept = load()
    for objective in OBJECTIVES:
        found = [kept[name, objective] for name in MAIN if (name, objective) in kept]
        if len(found) < len(MAIN):
            print(f"{objective}: not all three arms are there", file=sys.stderr)
            continue
        name = "figure1.svg" if objective == GRPO else f"figure1-{objective}.svg"
        (DOCS / name).write_text(draw(found, objective), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
