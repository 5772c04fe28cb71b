"""Is there anything left to earn? A reward at its ceiling, or at its floor, teaches nothing.

Figure: share of rewards at the highest value seen. Where rewards have one value only, nothing can be learned
from them at all, and whether that is a ceiling or a floor can't be told from the rewards.
"""

from __future__ import annotations

import numpy as np

from vllm_migrate.audit.verdict import Estimate
from vllm_migrate.reward.bench import TIE, Bench, Probe, limits_of
from vllm_migrate.reward.figures import share as share_of
from vllm_migrate.reward.outcome import Check, Outcome

NAME = "saturation"
_FLOOR = 0.95  # rewardspy's: all but one in twenty at the bottom is a task the policy can't do
FEWEST = 20


def examine(bench: Bench) -> Check:
    """Share at the ceiling, and at the floor."""
    values = bench.values[np.isfinite(bench.values)]
    if not any(sample.sampled for sample in bench.samples):
        return Check(NAME, Outcome.NOT_APPLICABLE, "no policy wrote the completions")
    if len(values) < FEWEST:
        return Check(NAME, Outcome.NOT_JUDGED, f"{len(values)} rewards are too few; {FEWEST} are needed")
    limits = limits_of(bench, NAME)
    if len(bench.levels) == 1:
        return Check(
            NAME,
            Outcome.FAIL,
            f"every one of {len(values)} rewards is {values[0]:g}",
            figure=Estimate(1.0),
            unit="share of rewards at the ceiling",
            count=len(values),
            counted="rewards",
            limits=limits,
            advice="nothing can be learned from a constant reward: look at what it compares",
        )
    at_top = int((values >= bench.top - TIE).sum())
    at_bottom = int((values <= bench.bottom + TIE).sum())
    share, floor = at_top / len(values), at_bottom / len(values)
    outcome = limits.judge(share)
    message = f"{share:.1%} at the ceiling of {bench.top:g}, {floor:.1%} at the floor of {bench.bottom:g}"
    advice = ""
    if outcome is not Outcome.PASS:
        advice = "prompts that are hardly ever failed teach nothing: take harder ones"
    elif floor > _FLOOR:
        outcome, advice = Outcome.WARN, "prompts that are hardly ever solved teach nothing: take easier ones"
    return Check(
        NAME,
        outcome,
        message,
        figure=share_of(at_top, len(values)),
        unit="share of rewards at the ceiling",
        count=len(values),
        counted="rewards",
        limits=limits,
        parts={"ceiling": share, "floor": floor},
        advice=advice,
    )


PROBE = Probe(NAME, "Is there anything left to earn?", examine, order=30)
