"""The tokens that moved most, with the tokens around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.result import WorstToken
from vllm_migrate.trace.checkpoint import show_token

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.trace.model import Trace

MOST = 20
"""How many are kept for each arm."""
AROUND = 6
"""Tokens of context on each side. On the left, the prompt's last ones where the completion has fewer."""


def worst_tokens(
    trace: Trace,
    reference: NDArray[np.float64],
    forced: NDArray[np.float64],
    vocabulary: dict[int, str],
) -> tuple[WorstToken, ...]:
    """The tokens with the largest |d|, largest first; those outside one side's support come before all.

    Args:
        trace: the reference's rollouts.
        reference: their logprobs end to end, nats.
        forced: the arm's logprobs of the same tokens.
        vocabulary: token texts by id.
    """
    both = np.isneginf(forced) & np.isneginf(reference)
    distance = np.abs(np.where(both, 0.0, forced) - np.where(both, 0.0, reference))
    ends = np.cumsum([len(rollout.token_ids) for rollout in trace.rollouts])
    prompts = {prompt.id: prompt.token_ids for prompt in trace.prompts}
    found = []
    for index in _largest(distance, MOST):
        number = int(np.searchsorted(ends, index, side="right"))
        rollout = trace.rollouts[number]
        position = int(index - ends[number]) + len(rollout.token_ids)
        left = (*prompts.get(rollout.prompt, ())[-AROUND:], *rollout.token_ids[:position])[-AROUND:]
        right = rollout.token_ids[position + 1 : position + 1 + AROUND]
        found.append(
            WorstToken(
                prompt=rollout.prompt,
                position=position,
                token=show_token(vocabulary, rollout.token_ids[position]),
                reference=float(reference[index]),
                candidate=float(forced[index]),
                sample=rollout.sample,
                before=tuple(show_token(vocabulary, token) for token in left),
                after=tuple(show_token(vocabulary, token) for token in right),
            )
        )
    return tuple(found)


def _largest(distance: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Indices of the `most` largest values above zero, by size, then by place: without sorting them all."""
    moved = np.flatnonzero(distance > 0)
    if len(moved) > most:
        edge = np.partition(distance[moved], -most)[-most]
        above = moved[distance[moved] > edge]
        level = moved[distance[moved] == edge][: most - len(above)]
        moved = np.sort(np.concatenate([above, level]))
    order: NDArray[np.int64] = moved[np.argsort(-distance[moved], kind="stable")]
    return order
