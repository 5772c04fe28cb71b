"""Where the divergence is: by band of position, probability, length or stratum, and prompt by prompt."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import estimate, phrase, text
from vllm_migrate.report.audit_html.pieces import figure, folded, part, row, table
from vllm_migrate.report.numbers import count, estimated, number
from vllm_migrate.report.part_words import BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.sections import Band, PromptShift

_WIDTH, _HEIGHT = 220, 22
MOST_PROMPTS_DRAWN = 160
MOST_PROMPTS_LISTED = 12


def band_table(bands: Sequence[Band]) -> str:
    """The candidate's divergence by band, a group for each kind; empty where there is none."""
    if not bands:
        return ""
    scale = _scale(bands)
    groups: list[str] = []
    for by, members in groupby(bands, key=lambda band: band.by):
        rows = [_band(band, scale, f"band-{len(groups)}-{n}") for n, band in enumerate(members)]
        title = text(BANDS.get(by, by))
        groups.append(
            '<tbody class="group">'
            f'<tr><th scope="rowgroup" colspan="5">{title}</th></tr>{"".join(rows)}</tbody>'
        )
    head = [
        "band",
        "tokens",
        phrase("mean |Δlogp|"),
        "KL k2",
        f'<th class="bar" scope="col">{_axis(scale)}</th>',
    ]
    caption = phrase(
        "The candidate against the reference. Dots show mean |Δlogp| in nats (log), whiskers the 95% "
        "interval."
    )
    return part("By band", table(caption, head, "".join(groups), "sticky"))


def _scale(bands: Sequence[Band]) -> svg.Scale:
    values = [
        value
        for band in bands
        for value in (band.mean_abs.value, band.mean_abs.low, band.mean_abs.high)
        if value is not None and math.isfinite(value) and value > 0
    ]
    high = max(values, default=1.0) * 1.3
    low = max(min(values, default=0.1) / 1.3, high * 1e-6)
    return svg.Scale(min(low, high / 10), high, start=6, stop=_WIDTH - 6, log=True)


def _axis(scale: svg.Scale) -> str:
    ticks = _ticks(scale)
    body = [svg.label(scale(tick), 14, svg.tick(tick), "tick", "middle") for tick in ticks]
    said = f"Logarithmic, from {number(scale.low)} to {number(scale.high)} nats."
    return svg.picture(svg.Caption("band-axis", "Scale of the bands", said), body, _HEIGHT, _WIDTH)


def _ticks(scale: svg.Scale) -> list[float]:
    return svg.log_ticks(scale.low, scale.high, 5)


def _band(band: Band, scale: svg.Scale, key: str) -> str:
    middle = _HEIGHT / 2
    body = [svg.line(scale(tick), 1, scale(tick), _HEIGHT - 1, "grid") for tick in _ticks(scale)]
    value, low, high = band.mean_abs.value, band.mean_abs.low, band.mean_abs.high
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high) and high > 0:
        body.append(svg.line(scale(low), middle, scale(high), middle, "whisker"))
    if math.isfinite(value) and value > 0:
        body.append(svg.dot(scale(value), middle, "arm-candidate"))
    caption = svg.Caption(key, f"{band.label}: mean |Δlogp|", f"{estimated(band.mean_abs)} nats")
    cells = [
        f'<td class="n">{count(band.tokens)}</td>',
        f'<td class="n">{estimate(band.mean_abs)}</td>',
        f'<td class="n">{estimate(band.k2)}</td>',
        f'<td class="bar">{svg.picture(caption, body, _HEIGHT, _WIDTH)}</td>',
    ]
    return row(text(band.label), cells)


def forest(shifts: Sequence[PromptShift]) -> str:
    """The candidate's mean signed Δlogp prompt by prompt; empty where there is none."""
    usable = sorted(
        (shift for shift in shifts if math.isfinite(shift.estimate.value)), key=lambda s: s.estimate.value
    )
    if not usable:
        return ""
    said = (
        "Mean Δlogp of each prompt's tokens under the candidate, with its 95% interval, lowest first. Equal "
        "engines scatter about 0; a shift to one side that most prompts share is systematic."
    )
    drawn = usable
    if len(usable) > MOST_PROMPTS_DRAWN:
        half = MOST_PROMPTS_DRAWN // 2
        drawn = [*usable[:half], *usable[-half:]]
        said += f" The {half} lowest and the {half} highest of {count(len(usable))} are drawn."
    moved = sorted(usable, key=lambda shift: -abs(shift.estimate.value))[:MOST_PROMPTS_LISTED]
    rows = [
        row(
            count(shift.prompt),
            [f'<td class="n">{count(shift.tokens)}</td>', f'<td class="n">{estimate(shift.estimate)}</td>'],
        )
        for shift in moved
    ]
    head = ["prompt", "tokens", "mean Δlogp, nats"]
    listed = table("The prompts that moved most.", head, f"<tbody>{''.join(rows)}</tbody>")
    body = _forest(drawn) + folded("The prompts that moved most", listed)
    return figure("Prompt by prompt", said, body)


def _forest(drawn: Sequence[PromptShift]) -> str:
    pitch = min(12.0, max(1.45, 232 / len(drawn)))  # as tall as the pictures it stands beside
    height = round(26 + pitch * len(drawn) + 44)
    ends = [bound for s in drawn for bound in _ends(s)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.04 * (high - low) or 1e-6
    x = svg.Scale(low - room, high + room, start=8, stop=svg.WIDTH - 14)
    foot = height - 40
    ticks = svg.linear_ticks(x.low, x.high)
    body = [svg.line(x(v), 18, x(v), foot, "grid") for v in ticks]
    body += [svg.label(x(v), foot + 17, svg.tick(v), "tick", "middle") for v in ticks]
    body.append(svg.line(x(0), 18, x(0), foot, "clip"))
    body.append(svg.label(x.stop, foot + 34, "mean Δlogp, nats", "name", "end"))
    body.append(svg.label(4, 12, f"{count(len(drawn))} prompts", "name"))
    for n, shift in enumerate(drawn):
        y = 24 + (n + 0.5) * pitch
        left, right = _ends(shift)
        body.append(svg.line(x(left), y, x(right), y, "whisker thin"))
        body.append(svg.dot(x(shift.estimate.value), y, "arm-candidate", radius=min(3.0, pitch / 2)))
    above = sum(shift.estimate.value > 0 for shift in drawn)
    said = (
        f"{count(len(drawn))} prompts, {count(above)} of them above 0; from "
        f"{number(drawn[0].estimate.value)} to {number(drawn[-1].estimate.value)} nats."
    )
    return (
        '<div class="single">'
        + svg.picture(svg.Caption("forest", "Mean Δlogp prompt by prompt", said), body, height)
        + "</div>"
    )


def _ends(shift: PromptShift) -> tuple[float, float]:
    bounds = (shift.estimate.low, shift.estimate.high)
    low, high = (
        shift.estimate.value if bound is None or not math.isfinite(bound) else bound for bound in bounds
    )
    return low, high
