"""The reward shift from the reference's own completions, weighted by what the candidate makes of them.

With w the ratio of a whole completion's probability under the candidate to that under the reference, the
candidate's mean reward is the reference's mean of w R, so the shift is the mean of (w - 1) R: importance
sampling, exact in expectation, and free of the noise that sampling anew would add. It holds where w does: the
probabilities are those that tokens were sampled with (processed ones), each side supports what the other
does, and the weights are close to 1 (effective sample size at least 0.9). It sees what the engines'
distributions do to the reward and nothing else, so a shift that free runs show stands against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.shift.judge import judge_shift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.result import Reward
    from vllm_migrate.trace.model import Rollout
    from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

LEAST_ESS = 0.9
FORCED = "forced replay"


@dataclass(frozen=True, slots=True)
class Weights:
    """Sequence ratios of a candidate over the reference's completions.

    Attributes:
        values: w per rollout; empty where it can't be formed, and `why` says why not.
        ess: effective sample size as a share.
    """

    values: tuple[float, ...] = ()
    ess: float = 0.0
    why: str = ""


def sequence_weights(
    rollouts: Sequence[Rollout], candidate: EngineRun, sampling: SamplingSettings
) -> Weights:
    """The weights, or why there are none."""
    records = candidate.replay
    if not rollouts or len(records) != len(rollouts):
        return Weights(why="the candidate replayed other completions")
    mode = str(candidate.loaded.settings.get("logprobs_mode", ""))
    if not mode.startswith("processed") and not _plain(sampling):
        return Weights(why="the candidate does not report the probabilities it samples with")
    sums = []
    for rollout, record in zip(rollouts, records, strict=True):
        d = np.asarray(record.logprobs) - np.asarray(rollout.logprobs)
        if not np.isfinite(d).all():
            return Weights(why="a token lies outside one side's support")
        sums.append(float(d.sum()))
    if not _whole(sampling) and not _same_support(rollouts, records):
        return Weights(why="the two sides' supports differ, or could not be compared")
    w = np.exp(np.minimum(np.array(sums), 700.0))
    ess = float(w.sum() ** 2 / (len(w) * float(w @ w)))
    if ess < LEAST_ESS:
        return Weights(ess=ess, why=f"the effective sample size is {ess:.2f}, below {LEAST_ESS:g}")
    return Weights(tuple(w.tolist()), ess)


def _whole(sampling: SamplingSettings) -> bool:
    """Whether nothing is cut off the distribution, so that supports can't differ."""
    return sampling.top_p >= 1 and sampling.top_k <= 0 and sampling.min_p <= 0


def _plain(sampling: SamplingSettings) -> bool:
    """Whether raw and processed logprobs are the same numbers."""
    return _whole(sampling) and sampling.temperature == 1 and sampling.repetition_penalty == 1


def _same_support(rollouts: Sequence[Rollout], records: Sequence[ReplayRecord]) -> bool:
    from vllm_migrate.audit.figures.diagnostics import top_of  # noqa: PLC0415 - only cut distributions need it

    compared, prompts = top_of(rollouts, records)
    return bool(len(prompts)) and not compared.lost.any() and not compared.gained.any()


def prefer_forced(
    free: Reward, rewards: Sequence[float], rollouts: Sequence[Rollout], weights: Weights, *, seed: int = 0
) -> Reward:
    """The shift from the weights where they hold and free runs don't contradict them; else from free runs.

    Args:
        free: the shift from free runs.
        rewards: of the reference's rollouts.
        rollouts: the reference's.
        weights: of the candidate over them.
        seed: of the resampling.
    """
    if not weights.values or len(rewards) != len(rollouts) or free.verdict is Verdict.FAIL:
        return free
    by_prompt: dict[int, list[tuple[float, float]]] = {}
    for rollout, reward, w in zip(rollouts, rewards, weights.values, strict=True):
        by_prompt.setdefault(rollout.prompt, []).append(((w - 1) * reward, reward))
    means = np.array([np.mean(values, axis=0) for values in by_prompt.values()])
    return judge_shift(
        means[:, 0],
        reference=float(means[:, 1].mean()),
        margin=free.margin,
        function=free.function,
        method=FORCED,
        seed=seed,
    )
