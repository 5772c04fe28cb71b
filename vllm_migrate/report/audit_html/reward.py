"""How the rewards of both sides are spread, and what their difference consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import figure, folded, note, part, row, section, table
from vllm_migrate.report.numbers import count, given, number, percent
from vllm_migrate.report.split_words import split_rows, split_sentence, style_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import Reward, RewardBin
    from vllm_migrate.audit.sections import RewardSplit

_HEIGHT = 230


def reward_section(reward: Reward | None, swatches: tuple[str, str]) -> str:
    """The section; empty where no rewards are recorded.

    Args:
        reward: the comparison.
        swatches: the reference's and the candidate's piece of line, markup.
    """
    if reward is None:
        return ""
    pieces = [_spread(reward, swatches) if reward.distribution else ""]
    pieces += [_split(reward.split) if reward.split is not None else ""]
    return section("Rewards", "".join(pieces))


def _split(split: RewardSplit) -> str:
    """What the shift consists of."""
    rows = "".join(
        row(
            text(one.name),
            [
                f'<td class="n">{text(one.figure)}</td>',
                f'<td class="n">{text(one.bounds)}</td>',
                f"<td>{text(one.about)}</td>",
            ],
        )
        for one in split_rows(split)
    )
    head = ["part", "difference", "95% interval", "what moved"]
    listed = table("The parts add up to the difference.", head, f"<tbody>{rows}</tbody>")
    said = [split_sentence(split), style_sentence(split), *split.notes]
    return part("What the difference consists of", listed + "".join(map(note, said)))


def _spread(reward: Reward, swatches: tuple[str, str]) -> str:
    ours, theirs = (
        sum(b.reference for b in reward.distribution),
        sum(b.candidate for b in reward.distribution),
    )
    legend = (
        f'<ul class="legend"><li>{swatches[0]}reference, {count(ours)} completions</li>'
        f"<li>{swatches[1]}candidate, {count(theirs)} completions</li></ul>"
    )
    said = (
        "Share of each side's own completions by reward. Each side sampled freely, so equal engines differ "
        "by chance; the verdict is on the mean, paired by prompt."
    )
    picture = f'<div class="single">{_picture(reward, ours, theirs)}</div>'
    body = legend + picture + folded("Counts", _table(reward.distribution, ours, theirs))
    return figure("How the rewards are spread", said, body)


def _picture(reward: Reward, ours: int, theirs: int) -> str:
    bins = reward.distribution
    shares = [(b.reference / max(ours, 1), b.candidate / max(theirs, 1)) for b in bins]
    area = svg.panel((0.0, float(len(bins))), (0.0, 1.12 * max(max(pair) for pair in shares)), height=_HEIGHT)
    ticks = svg.linear_ticks(0, area.y.high, 4)
    body = [svg.line(area.x.start, area.y(v), area.x.stop, area.y(v), "grid") for v in ticks]
    body += [svg.label(area.x.start - 6, area.y(v) + 4, f"{v * 100:.3g}%", "tick", "end") for v in ticks]
    for side, css in enumerate(("bar arm-reference", "bar arm-candidate")):
        body.append(
            svg.boxes([_bar(area, n, side, pair[side]) for n, pair in enumerate(shares) if pair[side]], css)
        )
    body.append(svg.line(area.x.start, area.y.start, area.x.stop, area.y.start, "axis"))
    body += _names(area, bins)
    body.append(svg.label(area.x.stop, area.y.start + 34, "reward", "name", "end"))
    body.append(svg.label(4, 14, "share of completions", "name"))
    means = f"Mean of the reference {number(reward.reference)}, of the candidate {number(reward.candidate)}."
    return svg.picture(svg.Caption("rewards", "Distribution of the rewards", means), body, area.height)


def _bar(area: svg.Panel, n: int, side: int, share: float) -> tuple[float, float, float, float]:
    step = area.x(1) - area.x(0)
    width = min(0.38 * step, 34.0)
    left = area.x(n + 0.5) + (side - 1) * width
    return left, area.y(share), width - 1, area.y.start - area.y(share)


def _names(area: svg.Panel, bins: Sequence[RewardBin]) -> list[str]:
    """Single values under their bars; of ranges, the edges, as many as can be read."""
    if all(b.low == b.high for b in bins):
        return [
            svg.label(area.x(n + 0.5), area.y.start + 17, svg.tick(b.low), "tick", "middle")
            for n, b in enumerate(bins)
        ]
    every = max(1, len(bins) // 5)
    edges = [*(b.low for b in bins), bins[-1].high]
    return [
        svg.label(area.x(n), area.y.start + 17, svg.tick(edges[n]), "tick", "middle")
        for n in range(0, len(edges), every)
    ]


def _table(bins: Sequence[RewardBin], ours: int, theirs: int) -> str:
    rows = [
        row(
            given(b.low) if b.low == b.high else f"{given(b.low)} to {given(b.high)}",
            [
                f'<td class="n">{count(b.reference)} ({percent(b.reference / max(ours, 1))})</td>',
                f'<td class="n">{count(b.candidate)} ({percent(b.candidate / max(theirs, 1))})</td>',
            ],
        )
        for b in bins
    ]
    return table(
        "Completions by reward.", ["reward", "reference", "candidate"], f"<tbody>{''.join(rows)}</tbody>"
    )
