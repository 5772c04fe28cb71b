"""Where two engines part when both always take the most likely token.

Reported and never gating. Between two correct engines greedy completions part sooner or later, at the first
position where two tokens are about as likely, and from there on they are different texts: how soon says how
often the engines' rounding decides. A part of the prompts whose completions part at once is another matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import RESAMPLES, clopper_pearson_upper
from vllm_migrate.audit.figures.diagnostics import Measured
from vllm_migrate.statistics.verdict import Estimate
from vllm_migrate.trace.redact import NO_TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.trace.model import Rollout

_LISTED = 8


def first_difference(one: Sequence[int], two: Sequence[int]) -> int | None:
    """Position, from 0, of the first token in which two completions differ; None where they are the same.

    Where one of them goes on after the other has ended, that is where the other ended.
    """
    for position, (ours, theirs) in enumerate(zip(one, two, strict=False)):
        if ours != theirs:
            return position
    return None if len(one) == len(two) else min(len(one), len(two))


def of_greedy(reference: Sequence[Rollout], candidate: Sequence[Rollout], *, seed: int = 0) -> list[Measured]:
    """Share of greedy completions that are the same, and the median position where the others part.

    Args:
        reference: one greedy completion a prompt.
        candidate: the candidate's; prompts that only one side has are left out.
        seed: of the resampling.
    """
    theirs = {rollout.prompt: rollout.token_ids for rollout in candidate}
    pairs = [(r.token_ids, theirs[r.prompt]) for r in reference if r.prompt in theirs]
    pairs = [pair for pair in pairs if not any(NO_TOKEN in ids for ids in pair)]
    if not pairs:
        return []
    found = [first_difference(one, two) for one, two in pairs]
    parted = np.array([position for position in found if position is not None], dtype=np.float64)
    median = _median(parted, seed)
    return [_share(len(found) - len(parted), len(found)), *([] if median is None else [median])]


def _share(same: int, prompts: int) -> Measured:
    """The share with its exact interval: one completion a prompt, so that they are independent."""
    low = 1 - clopper_pearson_upper(prompts - same, prompts, 0.025)
    high = clopper_pearson_upper(same, prompts, 0.025)
    return Measured(
        "greedy_identical",
        Estimate(same / prompts, low, high),
        np.zeros(0),
        "share of completions",
        f"{same} of {prompts} prompts",
    )


def _median(parted: np.ndarray, seed: int) -> Measured | None:
    """The median with its interval over resampled prompts; None where no completion parted."""
    if not len(parted):
        return None
    drawn = np.random.default_rng(seed).integers(0, len(parted), (RESAMPLES, len(parted)))
    draws = np.median(parted[drawn], axis=1)
    low, high = (float(v) for v in np.quantile(draws, (0.025, 0.975)))
    soonest = ", ".join(f"{position:g}" for position in np.sort(parted)[:_LISTED])
    more = "" if len(parted) <= _LISTED else " and later"
    several = len(parted) > 1
    return Measured(
        "greedy_first_divergence",
        Estimate(float(np.median(parted)), low if several else None, high if several else None),
        draws,
        "tokens",
        f"of {len(parted)} that part: at {soonest}{more}",
    )
