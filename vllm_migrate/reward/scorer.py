"""A reward that can be asked, as probes and examinations see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.outcome import ScoredBy
    from vllm_migrate.reward.sample import Sample, Score
    from vllm_migrate.reward.served import Served


class Scorer(Protocol):
    """A reward that can be asked. What a reward does wrong is a `Score.fault`, never an exception."""

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        """One score a sample, in their order.

        Args:
            samples: asked about in this order.
            batch: samples a call; None for the size the trainer would use.
            fresh: ask a new process, and remember nothing of what was answered before.

        Raises:
            RewardError: the reward can't be asked at all: it does not import, its checkpoint does not load.
        """


@runtime_checkable
class ServedScorer(Protocol):
    """A scorer whose model several engines serve."""

    def served(self, samples: Sequence[Sample]) -> tuple[Served, ...]:
        """What each server says to the samples; nothing where no engine was named."""

    def scored_by(self) -> tuple[ScoredBy, ...]:
        """What `served` found, for the reports."""


@runtime_checkable
class BoundedScorer(Protocol):
    """A scorer that stops asking after some time."""

    @property
    def exhausted(self) -> str:
        """Why nothing more is asked, "" as long as something is."""
