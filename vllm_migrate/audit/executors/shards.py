"""An arm's prompts dealt out to its replicas, and what these return put together again.

The prompt is the unit: its samples, and all that is replayed of them, go to one replica. Prompts that share a
prefix stay together, so that a prefix cache meets what it would meet in a single engine. The replicas' share
decides nothing else: seeds belong to prompts, and everything returned is put back in the order of the whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.trace.model import Prompt
    from vllm_migrate.workers.protocol import GenerateRequest, ReplayRecord, ReplayRequest, RolloutRecord


def deal(prompts: Sequence[Prompt], replicas: int) -> list[list[int]]:
    """Positions of the prompts that each replica gets, ascending; no replica gets none.

    Groups of a shared prefix go whole to whoever has least, the largest first. There are fewer shares than
    replicas where there are fewer groups.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for position, prompt in enumerate(prompts):
        key = ("group", prompt.group) if prompt.group >= 0 else ("alone", position)
        groups.setdefault(key, []).append(position)
    shares: list[list[int]] = [[] for _ in range(replicas)]
    for group in sorted(groups.values(), key=len, reverse=True):  # stable: ties keep the prompts' order
        min(shares, key=len).extend(group)
    return [sorted(share) for share in shares if share]


def part_to_generate(request: GenerateRequest, share: Sequence[int]) -> GenerateRequest:
    """The request for some of its prompts, by position, numbered as in the whole."""
    numbers = range(len(request.prompts)) if request.numbers is None else request.numbers
    return replace(
        request,
        prompts=[request.prompts[position] for position in share],
        numbers=[numbers[position] for position in share],
        order=_within(request.order, share),
    )


def generated(
    shares: Sequence[Sequence[int]], parts: Sequence[Sequence[RolloutRecord]]
) -> list[RolloutRecord]:
    """The records of all shares, ordered by prompt, then sample, as one engine returns them."""
    records = [
        replace(record, prompt=share[record.prompt])
        for share, part in zip(shares, parts, strict=True)
        for record in part
    ]
    return sorted(records, key=lambda record: (record.prompt, record.sample))


def part_to_replay(request: ReplayRequest, share: Sequence[int]) -> ReplayRequest:
    """The request for some of its sequences, by position."""
    with_top = set(request.top_of)
    return replace(
        request,
        prompts=[request.prompts[position] for position in share],
        completions=[request.completions[position] for position in share],
        order=_within(request.order, share),
        top_of=[index for index, position in enumerate(share) if position in with_top],
    )


def replayed(shares: Sequence[Sequence[int]], parts: Sequence[Sequence[ReplayRecord]]) -> list[ReplayRecord]:
    """The records of all shares in the order of the whole request's sequences."""
    found = {
        position: record
        for share, part in zip(shares, parts, strict=True)
        for position, record in zip(share, part, strict=True)
    }
    return [found[position] for position in range(len(found))]


def _within(order: Sequence[int] | None, share: Sequence[int]) -> list[int] | None:
    """An order of the whole, restricted to a share and in its positions."""
    if order is None:
        return None
    places = {position: index for index, position in enumerate(share)}
    return [places[position] for position in order if position in places]
