"""How many prompts teach something? Where all completions of one earn the same, group advantages are 0.

Figure: share of prompts whose samples tie, over prompts with at least two samples, with its exact interval.
Beside it stand the share that would tie if all prompts were equally hard, p^G + (1-p)^G with p the share of
samples at the top and G the samples a prompt (prompts that are always or never solved tie more than that),
and what twice the samples a prompt would leave, by a beta-binomial distribution with the prompts' mean and
variance. TRL logs the observed share as frac_reward_zero_std; DAPO (arXiv 2503.14476) samples anew.
"""

from __future__ import annotations

import math

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.figures import judged, share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.penalty import is_penalty
from vllm_migrate.reward.sample import TIE

NAME = "groups"
FEWEST = 10
_SHOWN = 300
_MOST_EXAMPLES = 3
_TWO_LEVELS = 2


def examine(bench: Bench) -> Check:
    """Share of prompts that tie."""
    if not any(sample.sampled for sample in bench.samples):
        return Check(NAME, Outcome.NOT_APPLICABLE, "no policy wrote the completions")
    groups = {
        number: bench.values[members] for number, members in bench.by_prompt.items() if len(members) > 1
    }
    if not groups:
        return Check(NAME, Outcome.NOT_APPLICABLE, "no prompt has two completions to compare")
    if len(groups) < FEWEST:
        message = f"{len(groups)} prompts with two samples or more are too few; {FEWEST} are needed"
        return Check(NAME, Outcome.NOT_JUDGED, message)
    if is_penalty(bench):
        return Check(NAME, Outcome.NOT_APPLICABLE, "a penalty, which most groups should not incur")
    ties = [number for number, values in groups.items() if np.ptp(values) <= TIE]
    estimate = share(len(ties), len(groups))
    limits = limits_of(bench, NAME)
    outcome = judged(limits, estimate)
    size = float(np.mean([len(values) for values in groups.values()]))
    parts = {"observed": estimate.value}
    message = f"{len(ties)} of {len(groups)} prompts tie over {size:.3g} samples each"
    if len(bench.levels) == _TWO_LEVELS:
        parts |= _predicted(bench, list(groups.values()))
        message += f"; {parts['equally hard']:.1%} would if all were equally hard"
    advice = ""
    if outcome is not Outcome.PASS:
        advice = "take prompts that are sometimes solved, or leave out those that tie (dynamic sampling)"
        if "twice the samples" in parts:
            advice += f"; twice the samples a prompt would leave {parts['twice the samples']:.0%} tied"
    return Check(
        NAME,
        outcome,
        message,
        figure=estimate,
        unit="share of prompts whose samples tie",
        count=len(groups),
        counted="prompts",
        limits=limits,
        worst=_examples(bench, ties) if outcome is not Outcome.PASS else (),
        parts=parts,
        advice=advice,
    )


def _predicted(bench: Bench, groups: list[np.typing.NDArray[np.float64]]) -> dict[str, float]:
    """Shares that would tie: were all prompts equally hard, and with twice the samples."""
    sizes = np.array([len(values) for values in groups], dtype=np.float64)
    solved = np.array([float((values >= bench.top - TIE).sum()) for values in groups])
    p = float(solved.sum() / sizes.sum())
    return {
        "equally hard": float(np.mean(p**sizes + (1 - p) ** sizes)),
        "twice the samples": _twice(solved, sizes, p),
    }


def _twice(solved: np.typing.NDArray[np.float64], sizes: np.typing.NDArray[np.float64], p: float) -> float:
    """Share tied with 2 G samples a prompt, success rates of prompts taken to follow a beta distribution.

    Its variance is what the prompts' shares vary by beyond binomial noise, by the method of moments.
    """
    if not 0 < p < 1:
        return 1.0
    noise = p * (1 - p) * float(np.mean(1 / sizes))
    between = max(float(np.var(solved / sizes, ddof=1)) - noise, 0.0) / (1 - float(np.mean(1 / sizes)))
    between = min(between, 0.999 * p * (1 - p))
    doubled = 2 * sizes
    if between < 1e-6 * p * (1 - p):
        return float(np.mean(p**doubled + (1 - p) ** doubled))
    concentration = p * (1 - p) / between - 1
    a, b = p * concentration, (1 - p) * concentration
    return float(np.mean([_all(a, b, n) + _all(b, a, n) for n in doubled]))


def _all(a: float, b: float, n: float) -> float:
    """Probability that n of n draws succeed where the rate is Beta(a, b)."""
    return math.exp(math.lgamma(a + n) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(a + b + n))


def _examples(bench: Bench, ties: list[int]) -> tuple[Example, ...]:
    """One completion of each of the first prompts that tie."""
    found = []
    for number in ties[:_MOST_EXAMPLES]:
        members = bench.by_prompt[number]
        sample, value = bench.samples[members[0]], bench.scores[members[0]].value
        change = f"all {len(members)} completions of this prompt earn this"
        found.append(Example(change, None, value, sample.completion[:_SHOWN], sample.prompt[-_SHOWN:]))
    return tuple(found)


PROBE = Probe(NAME, "How many prompts teach something?", examine, order=32)
