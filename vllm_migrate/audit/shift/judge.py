"""Did the reward move? Paired by prompt, with an interval and the smallest shift the run could have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS, bootstrap_ratios, smallest_detectable
from vllm_migrate.audit.decide.thresholds import load_thresholds
from vllm_migrate.audit.result import Estimate, Reward, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.decide.thresholds import Thresholds

FREE_RUNS = "free runs"


def reward_shift(
    reference: Sequence[float],
    reference_prompts: Sequence[int],
    candidate: Sequence[float],
    candidate_prompts: Sequence[int],
    *,
    function: str,
    seed: int = 0,
    thresholds: Thresholds | None = None,
) -> Reward:
    """Mean over prompts of the candidate's mean reward minus the reference's.

    PASS where the 90% interval lies within the margin (two one-sided tests at 5%), FAIL where the 95%
    interval lies outside it, else INCONCLUSIVE. Rollouts are sampled freely on each side, so the noise of
    sampling is in the interval; `smallest_detectable` is the shift that 80% of such runs would tell from
    none.

    Args:
        reference: one reward a rollout.
        reference_prompts: the prompt of each.
        candidate: the same for the other engine, over the same prompts.
        candidate_prompts: the prompt of each.
        function: how reports name it.
        seed: of the resampling.
        thresholds: where the margin is taken from; the shipped ones if None.
    """
    ours, theirs = _by_prompt(reference, reference_prompts), _by_prompt(candidate, candidate_prompts)
    shared = sorted(ours.keys() & theirs.keys())
    before = np.array([ours[p] for p in shared])
    after = np.array([theirs[p] for p in shared])
    margin = (thresholds or load_thresholds()).reward.against(float(np.std(reference)))
    if not shared:
        nothing = Estimate(0.0)
        return Reward(0.0, 0.0, nothing, margin, 0.0, Verdict.INCONCLUSIVE, function)
    return judge_shift(
        after - before, reference=float(before.mean()), margin=margin, function=function, seed=seed
    )


def judge_shift(
    differences: NDArray[np.float64],
    *,
    reference: float,
    margin: float,
    function: str,
    method: str = FREE_RUNS,
    seed: int = 0,
) -> Reward:
    """The verdict over one difference a prompt.

    Args:
        differences: candidate minus reference, shape (prompts,).
        reference: mean reward of the reference.
        margin: of equivalence.
        function: how reports name the reward.
        method: how the differences were found.
        seed: of the resampling.
    """
    draws = bootstrap_ratios(differences[:, None], np.ones((len(differences), 1)), seed=seed)[:, 0]
    low, high = (float(v) for v in np.quantile(draws, (0.025, 0.975)))
    inner_low, inner_high = (float(v) for v in np.quantile(draws, (0.05, 0.95)))
    if len(differences) < FEWEST_PROMPTS:
        verdict = Verdict.INCONCLUSIVE
    elif low > margin or high < -margin:
        verdict = Verdict.FAIL
    elif -margin <= inner_low and inner_high <= margin:
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    shift = float(differences.mean())
    return Reward(
        reference=reference,
        candidate=reference + shift,
        difference=Estimate(shift, low, high),
        margin=margin,
        smallest_detectable=smallest_detectable(float(np.std(draws))),
        verdict=verdict,
        function=function,
        method=method,
    )


def _by_prompt(rewards: Sequence[float], prompts: Sequence[int]) -> dict[int, float]:
    sums: dict[int, list[float]] = {}
    for reward, prompt in zip(rewards, prompts, strict=True):
        sums.setdefault(prompt, []).append(reward)
    return {prompt: float(np.mean(values)) for prompt, values in sums.items()}
