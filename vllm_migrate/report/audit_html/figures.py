"""The page's section of pictures: which are drawn, what is said beside them, what could not be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import plots, spread, trends
from vllm_migrate.report.audit_html.bands import forest
from vllm_migrate.report.audit_html.density import densities
from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import figure, folded
from vllm_migrate.report.numbers import count, given
from vllm_migrate.report.words import arm_label, clip_bounds, clipped_unit, find_arm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vllm_migrate.audit.result import AuditResult

MOST_ARMS_DRAWN = 8
"""More arms than this are listed in the tables only, and said not to be drawn."""


def figures(result: AuditResult, css: dict[str, str], swatches: Mapping[str, str]) -> str:
    """All pictures; an empty string where no arm carries per-token values and no prompt is known.

    Args:
        result: the audit.
        css: each arm's class.
        swatches: each arm's piece of line, markup.
    """
    recorded = plots.curves(result.arms, css)
    drawn = [curve for curve in recorded if curve.tokens.deltas.size][:MOST_ARMS_DRAWN]
    if not drawn:
        return forest(result.forest) + _left_out(recorded, drawn)
    legend = _legend(drawn, swatches)
    bounds = clip_bounds(result)
    clip = f"[{given(bounds[0])}, {given(bounds[1])}]"
    ratios = figure(
        "Policy ratio before any policy update",
        "exp(-Δlogp): the reference's probability of each of its tokens over the one the arm reports. The "
        f"policy has not moved, so every ratio should be 1. Dashed lines mark the clip range {clip}; "
        f"{_greyed(result)}",
        _panels(drawn, plots.ratio_histograms(drawn, bounds), swatches),
    )
    moved = figure(
        "How far tokens moved",
        "Share of tokens whose logprob differs from the reference's by more than x. Dashed lines mark the "
        "margin of the mean and the noise floor's mean.",
        legend + plots.exceedance(drawn, _margin(result), _noise_floor(result)),
    )
    parts = [ratios, folded("These pictures in figures", spread.spread_table(drawn, bounds, swatches))]
    parts += [f'<div class="figures">{moved}{_along(drawn, legend)}{forest(result.forest)}</div>']
    placed = [curve for curve in drawn if curve.tokens.reference.size]
    if placed:
        said = (
            "Δlogp against the reference's logprob, all arms on the same axes; darker cells hold more tokens "
            "(log). Noise lies in a band about 0; a slope means that the two sides report different "
            "distributions."
        )
        parts.append(figure("Which tokens moved", said, _panels(placed, densities(placed), swatches)))
    parts.append(_left_out(recorded, drawn))
    return "\n".join(parts)


def _margin(result: AuditResult) -> float | None:
    candidate = find_arm(result, "candidate")
    checks = candidate.checks if candidate else ()
    return next((c.margin for c in checks if (c.metric, c.comparison) == ("mean_abs", "reference")), None)


def _noise_floor(result: AuditResult) -> float | None:
    floor = find_arm(result, "noise-floor")
    return floor.against_reference.mean_abs.value if floor and floor.against_reference else None


def _greyed(result: AuditResult) -> str:
    if clipped_unit(result) == "tokens":
        return "tokens in the grey area would be clipped."
    return f"{result.objective} holds it against the mean over a sequence, not against single tokens."


def _along(drawn: Sequence[plots.Curve], legend: str) -> str:
    """Mean |Δlogp| along the completion and along the reference's probability."""
    parts = ""
    position = trends.by_position(drawn)
    if position:
        said = "Mean |Δlogp| in bins of position that hold about equally many tokens."
        parts = figure("Along the completion", said, legend + position)
    probability = trends.by_probability(drawn)
    if probability:
        said = (
            "Mean |Δlogp| in bins of the reference's probability that hold about equally many tokens. Rare "
            "tokens move further wherever arithmetic is rounded."
        )
        parts += figure("By probability", said, legend + probability)
    return parts


def _legend(drawn: Sequence[plots.Curve], swatches: Mapping[str, str]) -> str:
    items = "".join(f"<li>{swatches[c.arm.name]}{text(arm_label(c.arm))}</li>" for c in drawn)
    return f'<ul class="legend">{items}</ul>'


def _panels(drawn: Sequence[plots.Curve], pictures: Sequence[str], swatches: Mapping[str, str]) -> str:
    cells = "".join(
        f'<div><p class="panel-name">{swatches[c.arm.name]}{text(arm_label(c.arm))}</p>{picture}</div>'
        for c, picture in zip(drawn, pictures, strict=True)
    )
    return f'<div class="panels">{cells}</div>'


def _outside_support(curve: plots.Curve) -> int:
    """How many of the arm's tokens have no finite Δlogp, whether or not they are among its columns."""
    metrics = curve.arm.against_reference
    counted = round(metrics.outside_support.value * metrics.tokens) if metrics else 0
    return max(counted, curve.tokens.not_finite)


def _left_out(recorded: Sequence[plots.Curve], drawn: Sequence[plots.Curve]) -> str:
    """What a reader of the pictures would miss."""
    said = []
    lost = [f"{arm_label(c.arm)} {count(outside)}" for c in recorded if (outside := _outside_support(c))]
    if lost:
        said.append(f"Tokens outside one side's support, which have no finite Δlogp: {', '.join(lost)}.")
    sampled = [
        f"{arm_label(c.arm)} {count(len(c.arm.deltas))} of {count(metrics.tokens)}"
        for c in drawn
        if (metrics := c.arm.against_reference) and len(c.arm.deltas) + _outside_support(c) < metrics.tokens
    ]
    if sampled:
        said.append(f"Drawn from a part of the tokens: {', '.join(sampled)}; the figures are of all of them.")
    names = {curve.arm.name for curve in drawn}
    undrawn = [arm_label(c.arm) for c in recorded if c.arm.name not in names]
    if undrawn:
        said.append(f"Arms not drawn: {', '.join(undrawn)}.")
    identical = [arm_label(c.arm) for c in drawn if not c.tokens.deltas.any()]
    if identical:
        said.append(
            f"Equal to the reference bit for bit, so not on logarithmic axes: {', '.join(identical)}."
        )
    return f'<p class="small">{text(" ".join(said))}</p>' if said else ""
