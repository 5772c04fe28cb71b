"""How many prompts and tokens a wanted resolution needs, and how long that takes: before any engine starts.

Divergence: the smallest excess over the margin that a two-sided 5% test finds four times in five is
(z(0.975) + z(0.8)) s / sqrt n, with s the standard deviation between prompts of mean |d| (what a run prints
afterwards as its smallest detectable effect). Reward: equivalence within a margin m at no true difference,
with one-sided error 5% and power 80%, needs n = ((z(0.95) + z(0.9)) s / m)^2 prompts, s being the standard
deviation between prompts of the paired difference of mean rewards: sqrt(2 p (1 - p) / G) for G samples a side
of a reward of 0 or 1 (D. Schuirmann, "A comparison of the two one-sided tests procedure", 1987). Rare events:
where none happens, Clopper-Pearson's upper bound is log(1 / alpha) / n over n tokens; that is what a PASS on
the tails costs, and one on the mean of d squared, which tokens too rare to be in the sample may carry
(`unseen` in `thresholds.toml`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS
from vllm_migrate.audit.figures.metrics import SHARES
from vllm_migrate.statistics.distributions import normal_quantile

if TYPE_CHECKING:
    from vllm_migrate.audit.decide.costs import Costs
    from vllm_migrate.audit.decide.thresholds import Threshold, Thresholds

# Where no earlier run tells: four times what correct bf16 engines (V0 0.8.5 against V1 0.18.1 and 0.32.0, two
# profiles, 64 prompts of some 280 tokens, CPU) were measured to vary by between prompts, 0.0011-0.0013 nats.
USUAL_DEVIATION = 0.005
USUAL_HIT_RATE = 0.5  # a reward of 0 or 1 varies most there


@dataclass(frozen=True, slots=True)
class Needed:
    """What a resolution needs.

    Attributes:
        prompts: the larger of what divergence, reward and tails need, at least eight.
        for_divergence, for_reward, for_tails: prompts each needs by itself.
        tokens: of the reference, all samples.
        seconds: wall time of the audit; None where nothing tells.
        assumptions: what the figures rest on, in words.
    """

    prompts: int
    for_divergence: int
    for_reward: int
    for_tails: int
    tokens: int
    seconds: float | None
    assumptions: tuple[str, ...]


def needed(
    *,
    detect: float,
    reward: float | None,
    samples: int,
    max_tokens: int,
    thresholds: Thresholds,
    costs: Costs | None,
) -> Needed:
    """Prompts, tokens and time for a wanted resolution.

    Args:
        detect: smallest excess of mean |d| over its margin to be told, nats.
        reward: half-width of the equivalence to show on the reward; None without a reward.
        samples: completions a prompt.
        max_tokens: the longest completion; the mean length of an earlier run is used where there is one.
        thresholds: the margins.
        costs: of an earlier run of this model and engine, None where there is none.
    """
    deviation = USUAL_DEVIATION if costs is None else costs.deviation
    length = float(max_tokens) if costs is None else costs.length
    basis = "typical, and the longest asked for" if costs is None else "measured in an earlier audit here"
    varies = f"mean |dlogp| varies by {deviation:.4g} nats between prompts"
    said = [f"{varies}, and completions have {length:.0f} tokens: {basis}"]
    by_divergence = ((normal_quantile(0.975) + normal_quantile(0.8)) * deviation / detect) ** 2
    by_tails = math.log(20) * max(map(_rarest, thresholds.metrics.values())) / (samples * length)
    by_reward = 0.0
    if reward is not None:
        spread = math.sqrt(2 * USUAL_HIT_RATE * (1 - USUAL_HIT_RATE) / samples)
        by_reward = ((normal_quantile(0.95) + normal_quantile(0.9)) * spread / reward) ** 2
        said.append(f"a reward of 0 or 1 that is won half of the time, {samples} free samples a side")
    counts = [math.ceil(x) for x in (by_divergence, by_reward, by_tails)]
    prompts = max(FEWEST_PROMPTS, *counts)
    tokens = round(prompts * samples * length)
    if costs is None:
        said.append("no earlier audit of this model with these engines is recorded here, so no time is given")
    else:
        said.append(
            f"{costs.start:.0f} s to start and {costs.per_token * 1000:.3g} ms a token, measured here"
        )
    return Needed(
        prompts=prompts,
        for_divergence=max(FEWEST_PROMPTS, counts[0]),
        for_reward=counts[1],
        for_tails=counts[2],
        tokens=tokens,
        seconds=None if costs is None else costs.start + costs.per_token * tokens,
        assumptions=tuple(said),
    )


def _rarest(row: Threshold) -> float:
    """How many tokens there are to one that, missed, would reach the margin; 0 where that is not asked."""
    return (1.0 if row.metric in SHARES else row.unseen) / row.margin


def describe(found: Needed, *, detect: float, reward: float | None) -> str:
    """The plan as text, 80 columns."""
    lines = [
        f"prompts   {found.prompts:>9,}",
        f"tokens    {found.tokens:>9,}",
        "time      " + ("  unknown" if found.seconds is None else f"{_duration(found.seconds):>9}"),
        "",
        f"to tell {detect:g} nats of mean |dlogp|: {found.for_divergence:,} prompts",
        f"to pass on events as rare as the margins: {found.for_tails:,} prompts",
    ]
    if reward is not None:
        lines.append(f"to show the reward within {reward:g} from free runs: {found.for_reward:,} prompts")
    return "\n".join([*lines, "", "This rests on:", *(f"- {line}" for line in found.assumptions)]) + "\n"


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"  # noqa: PLR2004 - two hours
