"""How the rewards of both sides are spread, and what their difference consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import figure, note, part, row, section, table
from vllm_migrate.report.audit_html.reward_bars import Spread, bars, counts_table
from vllm_migrate.report.numbers import count, number
from vllm_migrate.report.split_words import split_rows, split_sentence, style_sentence

if TYPE_CHECKING:
    from vllm_migrate.audit.result import Reward
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
    bins = reward.distribution
    spread = Spread(
        tuple((one.low, one.high) for one in bins),
        (tuple(one.reference for one in bins), tuple(one.candidate for one in bins)),
    )
    ours, theirs = map(sum, spread.counts)
    legend = (
        f'<ul class="legend"><li>{swatches[0]}reference, {count(ours)} completions</li>'
        f"<li>{swatches[1]}candidate, {count(theirs)} completions</li></ul>"
    )
    said = (
        "Share of each side's own completions by reward. Each side sampled freely, so equal engines differ "
        "by chance; the verdict is on the mean, paired by prompt."
    )
    means = f"Mean of the reference {number(reward.reference)}, of the candidate {number(reward.candidate)}."
    picture = bars(spread, ("arm-reference", "arm-candidate"), means, height=_HEIGHT)
    body = f'{legend}<div class="single">{picture}</div>{counts_table(spread, ("reference", "candidate"))}'
    return figure("How the rewards are spread", said, body)
