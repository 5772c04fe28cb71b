"""The pictures of the tokens as figures, for those who would rather read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import row, table
from vllm_migrate.report.numbers import given, number, percent
from vllm_migrate.report.words import arm_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vllm_migrate.report.audit_html.plots import Curve

_QUANTILES = (0.01, 0.5, 0.99)
_BEYOND = (0.001, 0.01, 0.1, 1.0)  # nats


def spread_table(drawn: Sequence[Curve], clip: tuple[float, float], swatches: Mapping[str, str]) -> str:
    """Quantiles of the policy ratio, the shares outside the clip range, the shares that moved by more than x.

    Args:
        drawn: arms with at least one finite value.
        clip: the bounds of the clip range.
        swatches: each arm's piece of line, markup.
    """
    head = ["arm", *(f"ratio, {share * 100:.3g}%" for share in _QUANTILES)]
    head += [f"below {given(clip[0])}", f"above {given(clip[1])}"]
    head += [f"|Δlogp| &gt; {given(x)}" for x in _BEYOND]
    rows = "".join(
        row(f"{swatches[curve.arm.name]}{text(arm_label(curve.arm))}", _cells(curve, clip)) for curve in drawn
    )
    caption = "Of the tokens that are drawn: quantiles of the policy ratio, and shares of tokens."
    return table(caption, head, f"<tbody>{rows}</tbody>", "sticky")


def _cells(curve: Curve, clip: tuple[float, float]) -> list[str]:
    deltas = curve.tokens.deltas
    low, high = (math.log(bound) if bound > 0 else -math.inf for bound in clip)
    said = [number(_ratio(-float(value))) for value in np.quantile(deltas, [1 - q for q in _QUANTILES])]
    said += [percent(float(np.mean(-deltas < low))), percent(float(np.mean(-deltas > high)))]
    said += [percent(float(np.mean(np.abs(deltas) > x))) for x in _BEYOND]
    return [f'<td class="n">{cell}</td>' for cell in said]


def _ratio(log_ratio: float) -> float:
    return math.exp(log_ratio) if log_ratio < 700 else math.inf  # noqa: PLR2004 - where exp overflows
