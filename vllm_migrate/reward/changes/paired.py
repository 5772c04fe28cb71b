"""How far a change shifts rewards: the mean over pairs of a text with and without it, in standard deviations.

Where a change can't be made without another one (no phrase without its length), the reward after it is held
against that of a twin which has only the other one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.changes.invariance import Asked
from vllm_migrate.reward.figures import clustered_mean, unsigned
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.changes.invariance import Change
    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.statistics.verdict import Estimate

FEWEST = 5
"""Pairs that a shift is told from."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What one family of changes did.

    Attributes:
        mean: of the reward's change in standard deviations of the rewards, with an interval over prompts.
        asked: the pairs it is over, `before` the score of the twin.
    """

    mean: Estimate
    asked: tuple[Asked, ...]

    @property
    def size(self) -> Estimate:
        """The mean without its sign."""
        return unsigned(self.mean)

    @property
    def moves(self) -> bool:
        """Whether any reward moved at all."""
        return bool(self.moved)

    @property
    def moved(self) -> list[Asked]:
        """The pairs whose reward moved."""
        return [one for one in self.asked if abs(one.after.number - one.before.number) > TIE]


def shifts(
    bench: Bench,
    changes: Sequence[Change],
    indices: Sequence[int],
    twin: Callable[[Sample, Change, str], str | None] | None = None,
) -> dict[str, Shift]:
    """The shift under each family of changes; families with fewer than five pairs are left out.

    Changed texts have token ids in proportion to their length, where the sample has some: rewards that count
    tokens see that they are longer.

    Args:
        bench: as it is.
        changes: put to every sample they apply to.
        indices: of the samples.
        twin: of a sample, a change and the changed text, the text to hold it against; the sample's own
            if None. No pair is made where it gives None.
    """
    made: list[tuple[Change, int, Sample, Sample | None]] = []
    for index in indices:
        sample = bench.samples[index]
        for change in changes:
            text = change.apply(sample)
            if text is None or text == sample.completion:
                continue
            other = twin(sample, change, text) if twin is not None else None
            if twin is None or other is not None:
                against = with_text(sample, other) if other is not None else None
                made.append((change, index, with_text(sample, text), against))
    after = bench.score([sample for _, _, sample, _ in made])
    twins = {(index, one.completion): one for _, index, _, one in made if one is not None}
    before = dict(zip(twins, bench.score(list(twins.values())), strict=True))
    asked = [
        Asked(
            change,
            index,
            bench.scores[index] if against is None else before[index, against.completion],
            sample,
            score,
        )
        for (change, index, sample, against), score in zip(made, after, strict=True)
    ]
    found = {}
    for family in dict.fromkeys(change.family for change in changes):
        members = [
            one
            for one in asked
            if one.change.family == family and one.after.value is not None and one.before.value is not None
        ]
        if len(members) >= FEWEST:
            found[family] = Shift(mean_of(bench, members), tuple(members))
    return found


def mean_of(bench: Bench, asked: Sequence[Asked]) -> Estimate:
    """Mean move of the rewards in their standard deviations (in their own unit, where they don't vary)."""
    unit = bench.spread if bench.spread > TIE else 1.0
    moves = np.array([(one.after.number - one.before.number) / unit for one in asked])
    return clustered_mean(moves, bench.groups[[one.index for one in asked]], seed=bench.seed)


def with_text(sample: Sample, text: str) -> Sample:
    """The sample with another text, and as many of its token ids, over and over, as that is long."""
    ids = sample.token_ids
    count = round(len(ids) * len(text) / max(1, len(sample.completion)))
    longer = (ids * (count // len(ids) + 1))[:count] if ids else ()
    return replace(sample.with_completion(text), token_ids=longer)
