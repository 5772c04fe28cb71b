"""A reward function of the user's as a `Scorer`: what goes wrong with a text is a fault of that text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vllm_migrate.errors import RewardError
from vllm_migrate.reward.bench import columns_of
from vllm_migrate.reward.load import Texts, score
from vllm_migrate.reward.sample import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.load import RewardFunction
    from vllm_migrate.reward.sample import Sample


@dataclass
class FunctionScorer:
    """Asks a function in a process of its own.

    Attributes:
        function: the reward.
        batch: completions a call where nothing else is asked for.
    """

    function: RewardFunction
    batch: int = 8
    _known: dict[str, Score] = field(default_factory=dict)

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        """As `bench.Scorer.score`."""
        if batch is not None or fresh:
            return self._asked(samples, batch or self.batch)
        keys = [_key(sample) for sample in samples]
        new = {key: sample for key, sample in zip(keys, samples, strict=True) if key not in self._known}
        self._known |= zip(new, self._asked(list(new.values()), self.batch), strict=True)
        return [self._known[key] for key in keys]

    def _asked(self, samples: Sequence[Sample], batch: int) -> list[Score]:
        try:
            values = score(self.function, _texts(samples, batch))
        except RewardError as error:
            if len(samples) == 1:
                return [Score(None, error.message)]
            middle = len(samples) // 2
            return self._asked(samples[:middle], batch) + self._asked(samples[middle:], batch)
        return [Score(value) for value in values]


def _texts(samples: Sequence[Sample], batch: int) -> Texts:
    return Texts(
        prompts=[sample.prompt for sample in samples],
        completions=[sample.completion for sample in samples],
        completion_ids=[sample.token_ids for sample in samples],
        columns=columns_of(samples),
        group=batch,
    )


def _key(sample: Sample) -> str:
    return json.dumps([sample.prompt, sample.completion, sample.columns], sort_keys=True, default=str)
