"""Is the same text worth the same, whenever and beside whatever it is scored?

Procedure, each step in a process of its own: the same texts five times over, each time in another order;
that once more; each text alone and in batches of eight; and single texts in a process that has scored nothing
else. What changes within the first step and also between its two runs is drawn at random, or read off the
clock; what changes within it in the same way twice depends on what was scored before; what changes between
alone and batches depends on what stands beside it.

Where most texts are worth something else in a batch than alone, the same each time, the reward is relative to
its batch (its rank there, or its distance from the mean): probes that change texts then judge nothing, and
one finding says why.

Figure: share of texts whose reward changed at all. For a function any change fails; for a model one of more
than 1% of the rewards' standard deviation does, since kernels add up in another order for another batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.figures import share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.reward.sample import Sample

NAME = "determinism"
TIMES = 5
BATCH = 8
_TEXTS, _MODEL_TEXTS = 24, 8
_FRESH = 3  # texts that get a process of their own each
_OF_A_MODEL = 0.01  # of the rewards' standard deviation
_OF_A_FUNCTION = 1e-6
_SHOWN = 300
_MOST_EXAMPLES = 5
_MOSTLY = 0.5  # of the texts; judgement

AGAIN = "asked again"
ORDER = "after others"
PROCESS = "another process"
BESIDE = "other batch"


@dataclass(frozen=True, slots=True)
class Asked:
    """Rewards of the same texts under one kind of change.

    Attributes:
        family: the kind.
        places: of the texts among the chosen ones.
        before, after: rewards, NaN where there is none, shape (texts,).
    """

    family: str
    places: tuple[int, ...]
    before: NDArray[np.float64]
    after: NDArray[np.float64]


def examine(bench: Bench) -> Check:
    """Share of texts whose reward changes, by what was changed around them."""
    chosen = bench.some[: _MODEL_TEXTS if bench.model else _TEXTS]
    if not chosen:
        return Check(NAME, Outcome.NOT_JUDGED, "no text has a reward")
    samples = [bench.samples[index] for index in chosen]
    bound = max(TIE, _OF_A_MODEL * bench.spread if bench.model else _OF_A_FUNCTION * bench.spread)
    first, second = _rounds(bench, samples), _rounds(bench, samples)
    asked = [Asked(AGAIN, tuple(range(len(samples))), first[0], one) for one in first[1:]]
    asked += [
        Asked(PROCESS, tuple(range(len(samples))), one, other)
        for one, other in zip(first, second, strict=True)
    ]
    alone = _rewards(bench, samples, batch=1)
    asked.append(Asked(BESIDE, tuple(range(len(samples))), alone, _rewards(bench, samples, batch=BATCH)))
    own = np.array([_rewards(bench, [sample], batch=1)[0] for sample in samples[-_FRESH:]])
    last = tuple(range(len(samples)))[-_FRESH:]
    asked.append(Asked(ORDER, last, own, alone[-_FRESH:]))
    families: dict[str, set[int]] = {family: set() for family in (AGAIN, ORDER, PROCESS, BESIDE)}
    for one in asked:
        moved = np.flatnonzero(_differs(one.before, one.after, bound))
        families[one.family] |= {one.places[place] for place in moved}
    return _check(bench, samples, asked, families)


def is_relative(bench: Bench, check: Check | None) -> bool:
    """Whether the reward of most texts depends on its batch, and on nothing else.

    Args:
        bench: as it is.
        check: of this probe, None where it was not asked.
    """
    if check is not None:
        parts = check.parts
        steady = not any(parts.get(family) for family in (AGAIN, PROCESS))
        return steady and parts.get(BESIDE, 0.0) >= _MOSTLY
    samples = [bench.samples[index] for index in bench.some[:_TEXTS]]
    if bench.model or not samples:
        return False
    bound = max(TIE, _OF_A_FUNCTION * bench.spread)
    alone, again = (_rewards(bench, samples, batch=1) for _ in range(2))
    beside = _rewards(bench, samples, batch=BATCH)
    return not _differs(alone, again, bound).any() and bool(_differs(alone, beside, bound).mean() >= _MOSTLY)


def _check(
    bench: Bench, samples: Sequence[Sample], asked: Sequence[Asked], families: dict[str, set[int]]
) -> Check:
    moved = set().union(*families.values())
    changes = np.concatenate([np.abs(one.after - one.before) for one in asked])
    changes = changes[np.isfinite(changes)]
    largest = float(changes.max()) if len(changes) else 0.0
    limits = limits_of(bench, NAME)
    figure = share(len(moved), len(samples))
    outcome = limits.judge(figure.value)
    why, advice = _cause(families, len(samples))
    message = (
        f"{len(samples)} texts keep their rewards, {TIMES} times over, in other orders, batches and processes"
    )
    if moved:
        message = f"{len(moved)} of {len(samples)} texts change their reward, by up to {largest:.3g}: {why}"
    return Check(
        NAME,
        outcome,
        message,
        figure=figure,
        unit="share of texts whose reward changes",
        count=len(samples),
        limits=limits,
        worst=_worst(samples, asked),
        parts={
            family: len(found) / (min(_FRESH, len(samples)) if family == ORDER else len(samples))
            for family, found in families.items()
        },
        advice=advice if moved else "",
    )


def _cause(families: dict[str, set[int]], count: int) -> tuple[str, str]:
    """What the pattern of changes says, and what to do."""
    if families[AGAIN] and families[PROCESS]:
        return "they are drawn at random, or depend on the time", "seed what is random, by the text it is for"
    if families[PROCESS]:
        return (
            "another process scores them otherwise",
            "look for hash(), set order, and what is seeded at import",
        )
    if families[AGAIN] or (families[ORDER] and not families[BESIDE]):
        return "they depend on what was scored before", "keep nothing between calls that a reward is made of"
    if families[BESIDE]:
        beside = "what stands beside a text in the batch counts"
        return beside, "score each text by itself; a reward relative to its group is asked for with --ignore"
    return f"{count} texts were asked", ""


def _rounds(bench: Bench, samples: Sequence[Sample]) -> list[NDArray[np.float64]]:
    """Rewards of the samples, five times over in one process, each time in another order."""
    draw = bench.random(NAME)
    orders = [list(range(len(samples)))]
    for _ in range(TIMES - 1):
        orders.append(draw.sample(orders[0], len(samples)))
    flat = [samples[place] for order in orders for place in order]
    values = _rewards(bench, flat, batch=1)
    found = []
    for turn, order in enumerate(orders):
        rewards = np.empty(len(samples))
        rewards[order] = values[turn * len(samples) : (turn + 1) * len(samples)]
        found.append(rewards)
    return found


def _rewards(bench: Bench, samples: Sequence[Sample], *, batch: int) -> NDArray[np.float64]:
    return np.array([score.number for score in bench.score(samples, batch=batch, fresh=True)])


def _differs(before: NDArray[np.float64], after: NDArray[np.float64], bound: float) -> NDArray[np.bool_]:
    """Whether rewards are other ones; one that is there only once is."""
    lost = np.isnan(before) != np.isnan(after)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = lost | (np.abs(after - before) > bound)
    return found


def _worst(samples: Sequence[Sample], asked: Sequence[Asked]) -> tuple[Example, ...]:
    """The largest change of each text, largest first."""
    largest: dict[int, tuple[float, Asked, int]] = {}
    for one in asked:
        for at, place in enumerate(one.places):
            size = abs(one.after[at] - one.before[at])
            size = float("inf") if np.isnan(one.before[at]) != np.isnan(one.after[at]) else float(size)
            if size > largest.get(place, (0.0, one, 0))[0]:
                largest[place] = (size, one, at)
    ranked = sorted(largest.items(), key=lambda item: -item[1][0])[:_MOST_EXAMPLES]
    return tuple(
        Example(
            change=one.family,
            before=_or_none(one.before[at]),
            after=_or_none(one.after[at]),
            completion=samples[place].completion[:_SHOWN],
            prompt=samples[place].prompt[-_SHOWN:],
        )
        for place, (_, one, at) in ranked
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


PROBE = Probe(NAME, "Is the same text worth the same every time?", examine, order=20)
