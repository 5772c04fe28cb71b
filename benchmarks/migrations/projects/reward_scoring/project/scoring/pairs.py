"""Preference pairs out of likelihoods, as in self-rewarding DPO."""
from dataclasses import dataclass
from typing import List


@dataclass
class Candidate:
    text: str
    token_ids: List[int]
    engine_score: float  # cumulative log-probability under the sampling distribution
    logprobs: List[float] = None

    @property
    def normalised(self) -> float:
        return sum(self.logprobs) / max(1, len(self.logprobs))

    @property
    def surprise(self) -> float:
        """How much likelier sampling made it than the model itself does."""
        return self.engine_score - sum(self.logprobs)


def best_and_worst(candidates: List[Candidate]):
    ranked = sorted(candidates, key=lambda c: c.normalised, reverse=True)
    return ranked[0], ranked[-1]
