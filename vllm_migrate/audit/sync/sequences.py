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

TOKENS_IN_FLIGHT = 48
"""Forced tokens a sequence where the update has to come while they run, in a core that waits for nobody."""

_SAMPLES = 2
_BLOCKS = 2


def shared_prefix_batch(
    prompts: Sequence[Prompt],
    rollouts: Sequence[Rollout],
    *,
    block_size: int,
    max_model_len: int,
    fewest: int = FEWEST_TOKENS,
) -> Batch:
    """Sequences of which every two samples share their prompt's blocks, and all share the first ones.

    A prefix cache only holds whole blocks, and RL prompts are often shorter than one. Such prompts get a stem
    in front of them, which is made of the user's prompts end to end.

    Args:
        prompts: with token ids.
        rollouts: their completions by the reference.
        block_size: tokens in a block of the engine's cache.
        max_model_len: longest sequence the engine takes.
        fewest: forced tokens that every sequence has at least; shorter completions are filled up.

    Returns:
        The batch; empty where not even one block and a short completion fit into a sequence.
    """
    most = max(TOKENS, fewest)
    room = max_model_len - most
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
        found.completions.append(_long_enough(list(rollout.token_ids), own, fewest)[:most])
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


def _long_enough(tokens: list[int], own: list[int], fewest: int) -> list[int]:
    """As many as that at least: a completion of one token would have nothing left after an update."""
    return tokens + (own * fewest)[: max(0, fewest - len(tokens))]
