"""Is there anything left to earn? A reward at its ceiling, or at its floor, teaches nothing.

Figure: share of rewards at the highest value seen, with an interval over prompts; it fails where the whole
interval lies beyond the limit. More than 95% at the lowest value is a warning (rewardspy's bound for tasks
that the policy can't do). Where rewards have one value only, nothing can be learned from them at all, and
whether that is a ceiling or a floor can't be told from the rewards. A reward that only takes away (a penalty
for overlong texts) is meant to be at its ceiling of 0, and is not judged by it; one that looks at nothing but
the completion, a form that was asked for, is meant to get there, and is warned of while most prompts' samples
still differ.
"""

from __future__ import annotations

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.stakes import Reads, stakes_of
from vllm_migrate.reward.figures import clustered_mean, judged
from vllm_migrate.reward.outcome import Check, Outcome
from vllm_migrate.reward.penalty import is_penalty
from vllm_migrate.reward.sample import TIE
from vllm_migrate.statistics.verdict import Estimate

NAME = "saturation"
_FLOOR = 0.95  # rewardspy's: all but one in twenty at the bottom is a task the policy can't do
_MOST_TIE = 0.5  # the warning of `groups`
FEWEST = 20
_TRIED = 4
_UNIT = "share of rewards at the ceiling"


def examine(bench: Bench) -> Check:
    """Share at the ceiling, and at the floor."""
    seen = np.isfinite(bench.values)
    values = bench.values[seen]
    if not any(sample.sampled for sample in bench.samples):
        return Check(NAME, Outcome.NOT_APPLICABLE, "no policy wrote the completions")
    if len(values) < FEWEST:
        return Check(NAME, Outcome.NOT_JUDGED, f"{len(values)} rewards are too few; {FEWEST} are needed")
    limits = limits_of(bench, NAME)
    if is_penalty(bench):
        free = float((values >= -TIE).mean())
        return Check(
            NAME,
            Outcome.NOT_APPLICABLE,
            f"a penalty, which {free:.1%} of the samples don't incur, as they should",
        )
    if len(bench.levels) == 1:
        lower = _others_earn_less(bench)
        return Check(
            NAME,
            Outcome.FAIL,
            f"every one of {len(values)} rewards is {values[0]:g}"
            + (", other texts earn less" if lower else ""),
            figure=Estimate(1.0),
            unit=_UNIT,
            count=len(values),
            counted="rewards",
            limits=limits,
            parts={"ceiling": 1.0, "floor": 1.0},
            advice="all samples are alike to it: take harder prompts, or leave it out"
            if lower
            else "nothing can be learned from a constant reward: look at what it compares",
        )
    at_top = (values >= bench.top - TIE).astype(np.float64)
    share = clustered_mean(at_top, bench.groups[seen], seed=bench.seed)
    floor = float((values <= bench.bottom + TIE).mean())
    outcome = judged(limits, share)
    advice = ""
    if outcome is Outcome.FAIL and stakes_of(bench).reads is Reads.NOTHING and _tying(bench) < _MOST_TIE:
        outcome, advice = Outcome.WARN, "the form is mostly learnt already: soon this will teach nothing"
    elif outcome is not Outcome.PASS:
        advice = "prompts that are hardly ever failed teach nothing: take harder ones"
    elif floor > _FLOOR:
        outcome, advice = Outcome.WARN, "prompts that are hardly ever solved teach nothing: take easier ones"
    return Check(
        NAME,
        outcome,
        f"{share.value:.1%} at the ceiling of {bench.top:g}, {floor:.1%} at the floor of {bench.bottom:g}"
        f" ({_entropy(bench):.2g} bits a reward)",
        figure=share,
        unit=_UNIT,
        count=len(values),
        counted="rewards",
        limits=limits,
        parts={"ceiling": share.value, "floor": floor},
        advice=advice,
    )


def _tying(bench: Bench) -> float:
    """Share of prompts whose samples all earn the same."""
    return float(np.mean([np.ptp(bench.values[members]) <= TIE for members in bench.by_prompt.values()]))


def _others_earn_less(bench: Bench) -> bool:
    """Whether a reward that is constant over the samples isn't over an empty text and halves of theirs."""
    some = [bench.samples[index] for index in bench.some[:_TRIED]]
    made = [sample.with_completion(text) for sample in some for text in ("", _half(sample.completion))]
    return any(score.value is not None and score.value < bench.bottom - TIE for score in bench.score(made))


def _half(text: str) -> str:
    return text[: len(text) // 2]


def _entropy(bench: Bench) -> float:
    """Of the rewards' distribution: how much one of them tells, at most."""
    values = bench.values[np.isfinite(bench.values)]
    counts = np.bincount(np.searchsorted(bench.levels, values - TIE))
    shares = counts[counts > 0] / len(values)
    return float(-(shares * np.log2(shares)).sum()) + 0.0


PROBE = Probe(NAME, "Is there anything left to earn?", examine, order=30)
