"""Behaviour that a migration must keep. One function a check; its name is what case.toml lists.

Each takes the scored rollouts and the tolerance of the engine's dtype, and returns what is wrong, in words.
A check that finds nothing to look at is a problem, too: it would prove nothing.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from judged import Scored
    from tolerance import Tolerance

    Check = Callable[[list[Scored], Tolerance], list[str]]


def _groups(scored: list[Scored]) -> dict[tuple[Any, int], list[Scored]]:
    """Samples of one prompt under one version of the weights."""
    found = defaultdict(list)
    for entry in scored:
        key = entry.rollout.prompt
        found[tuple(key) if isinstance(key, list) else key, entry.rollout.version].append(entry)
    return dict(found)


def _mean(values: list[float]) -> float:
    """Tokens outside the distribution, infinitely far away, are counted in `judged.problems`, not here."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def weights_used(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """After a sync the logprobs are those of the new weights, and the old ones would have been noticed."""
    versions = {entry.rollout.version for entry in scored}
    if versions == {0}:
        return ["no rollout was sampled after a weight sync"]
    wrong = []
    for version in sorted(versions - {0}):
        after = [entry for entry in scored if entry.rollout.version == version]
        new = _mean([value for entry in after for value in entry.distance or ()])
        old = _mean([value for entry in after for value in entry.from_stale or ()])
        if not new <= tolerance.mean:
            at = "those of the old weights" if old < new else "of neither weights"
            wrong.append(f"after sync {version} logprobs are {new:.2g} off: {at}")
        elif not old > 3 * tolerance.mean:
            wrong.append(f"sync {version} changes too little ({old:.2g}) to tell whether it happened")
    return wrong


def fresh_cache(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """After a sync no token was computed from attention keys of the old weights: none is far off."""
    distances = [value for entry in scored if entry.rollout.version for value in entry.distance or ()]
    if not distances:
        return ["no rollout was sampled after a weight sync"]
    far = sum(value > tolerance.far for value in distances) / len(distances)
    return [f"{far:.1%} of logprobs after a sync are off: old cache entries"] if far > tolerance.share else []


def samples(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Each prompt has as many samples as asked for, and they are not all the same."""
    del tolerance
    groups = _groups(scored)
    wrong = [
        f"{len(group)} samples of a prompt instead of {group[0].rollout.sampling['n']}"
        for group in groups.values()
        if len(group) != group[0].rollout.sampling["n"]
    ]
    several = [group for group in groups.values() if len(group) > 1]
    if not several:
        return [*wrong[:1], "no prompt has several samples"]
    same = [group for group in several if len({tuple(entry.rollout.token_ids) for entry in group}) == 1]
    if len(same) > len(several) // 2:
        wrong.append(f"all samples are the same for {len(same)} of {len(several)} prompts")
    return wrong[:2]


def greedy(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Rollouts at temperature 0 take the most likely token, ties by rounding aside."""
    wanted = [entry for entry in scored if entry.rollout.sampling["temperature"] == 0]
    if not wanted:
        return ["no rollout was greedy"]
    behind = [value for entry in wanted for value in entry.behind]
    off = sum(value > tolerance.far for value in behind)
    return [f"{off} of {len(behind)} greedy tokens are not the most likely"] if off else []


def banned_tokens(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Banned tokens are absent."""
    del tolerance
    wanted = [entry.rollout for entry in scored if entry.rollout.sampling["banned_token_ids"]]
    if not wanted:
        return ["no rollout has banned tokens"]
    hit = sum(not set(r.token_ids).isdisjoint(r.sampling["banned_token_ids"]) for r in wanted)
    return [f"{hit} of {len(wanted)} rollouts have a banned token"] if hit else []


def allowed_tokens(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Nothing but the allowed tokens."""
    del tolerance
    wanted = [entry.rollout for entry in scored if entry.rollout.sampling["allowed_token_ids"]]
    if not wanted:
        return ["no rollout has a list of allowed tokens"]
    hit = sum(not set(r.token_ids) <= set(r.sampling["allowed_token_ids"]) for r in wanted)
    return [f"{hit} of {len(wanted)} rollouts have a token that is not allowed"] if hit else []


def choices(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Guided completions are one of the choices."""
    del tolerance
    wanted = [entry.rollout for entry in scored if entry.rollout.sampling["choices"]]
    if not wanted:
        return ["no rollout has choices"]
    off = [r.text for r in wanted if r.text not in r.sampling["choices"]]
    return [f"{len(off)} of {len(wanted)} texts are none of the choices, e.g. {off[0]!r}"] if off else []


def matches_regex(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Guided completions match the expression, or are cut off by max_tokens."""
    del tolerance
    wanted = [entry.rollout for entry in scored if entry.rollout.sampling["regex"]]
    if not wanted:
        return ["no rollout has an expression"]
    off = [
        r.text
        for r in wanted
        if not re.fullmatch(r.sampling["regex"], r.text or "")
        and len(r.token_ids) != r.sampling["max_tokens"]
    ]
    return [f"{len(off)} of {len(wanted)} texts do not match, e.g. {off[0]!r}"] if off else []


def stop_strings(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """No text goes on after a stop string, and some were stopped."""
    del tolerance
    wanted = [entry.rollout for entry in scored if entry.rollout.sampling["stop"]]
    if not wanted:
        return ["no rollout has stop strings"]
    wrong = []
    beyond = sum(
        any(0 <= (r.text or "").find(stop) < len(r.text or "") - len(stop) for stop in r.sampling["stop"])
        for r in wanted
    )
    if beyond:
        wrong.append(f"{beyond} of {len(wanted)} texts go on after a stop string")
    if all(len(r.token_ids) == r.sampling["max_tokens"] for r in wanted):
        wrong.append("no text was stopped before max_tokens")
    return wrong


def lengths(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """No completion is longer than max_tokens or shorter than min_tokens."""
    del tolerance
    off = [
        len(entry.rollout.token_ids)
        for entry in scored
        if not entry.rollout.sampling["min_tokens"]
        <= len(entry.rollout.token_ids)
        <= (entry.rollout.sampling["max_tokens"] or math.inf)
    ]
    return [f"{len(off)} completions have the wrong length, e.g. {off[0]}"] if off else []


def best_chosen(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Of each group exactly one was chosen, and none has a higher sum of logprobs."""
    del tolerance
    groups = [group for group in _groups(scored).values() if any(e.rollout.chosen for e in group)]
    if not groups:
        return ["nothing was chosen"]
    wrong = 0
    for group in groups:
        sums = [sum(entry.rollout.logprobs or ()) for entry in group]
        picked = [total for total, entry in zip(sums, group, strict=True) if entry.rollout.chosen]
        wrong += len(picked) != 1 or picked[0] < max(sums) - 1e-6
    return [f"in {wrong} of {len(groups)} groups another was chosen"] if wrong else []


def likeliest_first(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Samples of a prompt come in the order of their sums of logprobs, as V0's best_of ranked them."""
    del tolerance
    groups = [group for group in _groups(scored).values() if len(group) > 1]
    if not groups:
        return ["no prompt has several samples"]
    sums = [[sum(entry.rollout.logprobs or ()) for entry in group] for group in groups]
    off = sum(any(first < second - 1e-6 for first, second in pairwise(totals)) for totals in sums)
    return [f"in {off} of {len(groups)} groups a likelier sample comes later"] if off else []


def logprobs_read(scored: list[Scored], tolerance: Tolerance) -> list[str]:
    """Every rollout has logprobs, none of them zero throughout."""
    del tolerance
    without = sum(not any(entry.rollout.logprobs or ()) for entry in scored)
    return [f"{without} rollouts have no logprobs"] if without else []


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        weights_used,
        fresh_cache,
        samples,
        greedy,
        banned_tokens,
        allowed_tokens,
        choices,
        matches_regex,
        stop_strings,
        lengths,
        best_chosen,
        likeliest_first,
        logprobs_read,
    )
}
