"""What a probe works with: the samples, their scores, and a reward that can be asked again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from vllm_migrate.reward.outcome import Limits
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.reward.outcome import Check
    from vllm_migrate.reward.sample import Sample, Score
    from vllm_migrate.reward.scorer import Scorer

_Found = TypeVar("_Found")


@dataclass
class Bench:
    """One examination.

    Attributes:
        samples: of all prompts, completions of one prompt beside each other.
        scores: of the samples, as asked first.
        scorer: to ask again.
        limits: by name of the probe.
        seed: of whatever a probe draws.
        most: how many samples a probe that multiplies them should start from.
        model: the reward is a model, not a function.
        ignored: probes that the user switched off by name: what they ask about is meant to pay.
    """

    samples: Sequence[Sample]
    scores: Sequence[Score]
    scorer: Scorer
    limits: dict[str, Limits] = field(default_factory=dict)
    seed: int = 0
    most: int = 64
    model: bool = False
    ignored: frozenset[str] = frozenset()
    _found: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def random(self, probe: str) -> random.Random:
        """A generator of this probe's own: what one draws does not depend on which others ran."""
        return random.Random(f"{self.seed}:{probe}")  # noqa: S311 - nothing secret is drawn

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        """As `Scorer.score`; nothing is asked about no samples."""
        return self.scorer.score(samples, batch=batch, fresh=fresh) if samples else []

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """Rewards of the samples, NaN where there is none; shape (samples,)."""
        return np.array([score.number for score in self.scores], dtype=np.float64)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Number of each sample's prompt; shape (samples,)."""
        return np.array([sample.group for sample in self.samples], dtype=np.int64)

    @cached_property
    def by_prompt(self) -> dict[int, list[int]]:
        """Indices of the samples with a reward, by the number of their prompt."""
        found: dict[int, list[int]] = {}
        for index in np.flatnonzero(np.isfinite(self.values)).tolist():
            found.setdefault(self.samples[index].group, []).append(index)
        return found

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """The different rewards that were seen, ascending."""
        seen = np.sort(self.values[np.isfinite(self.values)])
        return seen[np.concatenate(([True], np.diff(seen) > TIE))] if len(seen) else seen

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the rewards; 0 where they don't vary. The unit of small shifts."""
        seen = self.values[np.isfinite(self.values)]
        return float(seen.std()) if len(seen) else 0.0

    @cached_property
    def top(self) -> float:
        """The highest reward seen; NaN where there is none."""
        return float(self.levels[-1]) if len(self.levels) else float("nan")

    @cached_property
    def bottom(self) -> float:
        """The lowest reward seen; NaN where there is none."""
        return float(self.levels[0]) if len(self.levels) else float("nan")

    @cached_property
    def is_verifier(self) -> bool:
        """Whether this judges right and wrong: answers are known, and rewards have at most three levels."""
        has_answers = any(sample.answer is not None for sample in self.samples)
        return not self.model and has_answers and 0 < len(self.levels) <= 3  # noqa: PLR2004 - right, wrong, unreadable

    def once(self, find: Callable[[Bench], _Found]) -> _Found:
        """What a function finds out about this bench: it is called once, however many probes want to know."""
        if find not in self._found:
            self._found[find] = find(self)
        found: _Found = self._found[find]
        return found

    def accepted(self, value: float | None) -> bool:
        """Whether a verifier's reward says "right": nearer to the top than to the bottom."""
        return value is not None and bool(value > (self.top + self.bottom) / 2)

    @cached_property
    def right(self) -> list[int]:
        """Indices of the samples that earn the top reward, drawn evenly over prompts, at most `most`."""
        return self.drawn([i for i, value in enumerate(self.values) if value >= self.top - TIE], "right")

    @cached_property
    def some(self) -> list[int]:
        """Indices of samples with a reward, drawn evenly over prompts, at most `most`."""
        return self.drawn([i for i, value in enumerate(self.values) if np.isfinite(value)], "some")

    def in_turn(self, indices: Iterable[int]) -> list[int]:
        """All of them, the first of every prompt before the second of any."""
        seen: Counter[int] = Counter()
        turns = []
        for index in indices:
            group = self.samples[index].group
            turns.append((seen[group], index))
            seen[group] += 1
        return [index for _, index in sorted(turns)]

    def drawn(self, indices: list[int], name: str) -> list[int]:
        """At most `most` of them, one of every prompt before a second of any."""
        draw = self.random(name)
        by_group: dict[int, list[int]] = {}
        for index in indices:
            by_group.setdefault(self.samples[index].group, []).append(index)
        queues = [draw.sample(members, len(members)) for members in by_group.values()]
        draw.shuffle(queues)
        kept: list[int] = []
        while queues and len(kept) < self.most:
            kept.extend(queue.pop() for queue in queues)
            queues = [queue for queue in queues if queue]
        return sorted(kept[: self.most])


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to a reward. A module of `reward.probes` holds one, as `PROBE`.

    Attributes:
        name: as users write it in `select`; the file's name with hyphens.
        question: what it asks, for the table and the page.
        examine: asks it. May return NOT_APPLICABLE with a message that says why; never raises for what a
            reward does.
        order: reports and runs go by it.
    """

    name: str
    question: str
    examine: Callable[[Bench], Check]
    order: int

    def __call__(self, bench: Bench) -> Check:
        """Ask."""
        return self.examine(bench)


def limits_of(bench: Bench, probe: str) -> Limits:
    """The limits of a probe, or none at all where the bench was given none for it."""
    return bench.limits.get(probe, Limits(None, None, above=True, source=""))
