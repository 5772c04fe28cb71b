"""Does the size of differences survive normalisation? Advantages divide by the group's standard deviation.

GRPO's advantage is (r - mean) / (std + 1e-4): a group whose rewards differ by a hair gets the same advantages
as one whose rewards differ by 1. Tie-breakers, rounding and noise in the sixth digit then teach as loudly as
correctness. Far below 1e-4 the epsilon swallows them, and nothing is taught.

Figure: share, among prompts whose samples don't tie, of those whose standard deviation is below 1e-3, ten
times TRL's epsilon. Also told: the number of distinct rewards, and the median standard deviation.
"""

from __future__ import annotations

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.figures import share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.sample import TIE

NAME = "resolution"
EPSILON = 1e-4  # TRL's, added to the standard deviation
SMALL = 10 * EPSILON
_FEWEST = 3
_SHOWN = 300
_MOST_EXAMPLES = 3


def examine(bench: Bench) -> Check:
    """Share of groups whose differences are blown up."""
    spreads = {
        group: float(np.std(bench.values[members]))
        for group, members in bench.by_prompt.items()
        if len(members) > 1 and np.ptp(bench.values[members]) > TIE
    }
    levels = len(bench.levels)
    if not spreads:
        return Check(
            NAME, Outcome.NOT_APPLICABLE, "no prompt has two completions that earn different rewards"
        )
    if len(spreads) < _FEWEST:
        message = f"{len(spreads)} prompts whose samples differ are too few; {_FEWEST} are needed"
        return Check(NAME, Outcome.NOT_JUDGED, message)
    small = [group for group, spread in spreads.items() if spread < SMALL]
    median = float(np.median(list(spreads.values())))
    figure = share(len(small), len(spreads))
    limits = limits_of(bench, NAME)
    outcome = limits.judge(figure.value)
    message = f"{levels} distinct rewards; their standard deviation within a prompt is {median:.3g} (median)"
    if small:
        message += f", and below {SMALL:g} in {len(small)} of {len(spreads)}"
    advice = (
        "round the reward, so that what means nothing ties; or scale it; or don't divide by the deviation"
    )
    return Check(
        NAME,
        outcome,
        message,
        figure=figure,
        unit=f"share of prompts with a standard deviation below {SMALL:g}",
        count=len(spreads),
        counted="prompts",
        limits=limits,
        worst=tuple(_example(bench, bench.by_prompt[group]) for group in small[:_MOST_EXAMPLES]),
        advice=advice if outcome is not Outcome.PASS else "",
    )


def _example(bench: Bench, members: list[int]) -> Example:
    """The two completions of a prompt that differ most."""
    ranked = sorted(members, key=lambda index: bench.values[index])
    low, high = float(bench.values[ranked[0]]), float(bench.values[ranked[-1]])
    gain = (high - float(np.mean(bench.values[members]))) / (float(np.std(bench.values[members])) + EPSILON)
    sample = bench.samples[ranked[-1]]
    change = f"{high - low:.2g} above the lowest of its prompt, an advantage of {gain:.2g}"
    return Example(change, low, high, sample.completion[:_SHOWN], sample.prompt[-_SHOWN:])


PROBE = Probe(NAME, "Are small differences blown up?", examine, order=34)
