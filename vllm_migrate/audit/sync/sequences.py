"""Sequences for the weight sync probe: prompts that share cached blocks, made of the user's own tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.evidence import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.trace.model import Prompt, Rollout

SEQUENCES = 16
"""Sequences in a probe; eight prompts of two samples each, as a group of an RL step is built."""

TOKENS = 16
FEWEST_TOKENS = 8
"""Forced tokens a sequence; most, and fewest that are worth a probe."""

_SAMPLES = 2
_BLOCKS = 2


def shared_prefix_batch(
    prompts: Sequence[Prompt],
    rollouts: Sequence[Rollout],
    *,
    block_size: int,
    max_model_len: int,
) -> Batch:
    """Sequences of which every two samples share their prompt's blocks, and all share the first ones.

    A prefix cache only holds whole blocks, and RL prompts are often shorter than one. Such prompts get a stem
    in front of them, which is made of the user's prompts end to end.

    Args:
        prompts: with token ids.
        rollouts: their completions by the reference.
        block_size: tokens in a block of the engine's cache.
        max_model_len: longest sequence the engine takes.

    Returns:
        The batch; empty where not even one block and a short completion fit into a sequence.
    """
    room = max_model_len - TOKENS
    blocks = next((n for n in range(_BLOCKS, 0, -1) if n * block_size < room), 0)
    if not blocks or not prompts:
        return Batch([], [])
    stem = _stem(prompts, blocks * block_size + 1)
    found = Batch([], [])
    taken: dict[int, int] = {}
    for rollout in rollouts:
        if len(found.prompts) >= SEQUENCES:
            break
        if taken.get(rollout.prompt, 0) >= _SAMPLES or len(rollout.token_ids) < 1:
            continue
        own = list(prompts[rollout.prompt].token_ids)
        whole = own if len(own) > blocks * block_size and len(own) <= room else stem + own
        found.prompts.append(whole[:room])
        found.completions.append(_long_enough(list(rollout.token_ids), own))
        taken[rollout.prompt] = taken.get(rollout.prompt, 0) + 1
    return found


def _stem(prompts: Sequence[Prompt], length: int) -> list[int]:
    stem: list[int] = []
    while len(stem) < length:
        for prompt in prompts:
            stem += prompt.token_ids
            if len(stem) >= length:
                break
    return stem[:length]


def _long_enough(tokens: list[int], own: list[int]) -> list[int]:
    """At most `TOKENS`, and some: a completion of one token would have nothing left after an update."""
    if len(tokens) < FEWEST_TOKENS:
        tokens = tokens + (own * FEWEST_TOKENS)[: FEWEST_TOKENS - len(tokens)]
    return tokens[:TOKENS]
