"""What a reward is asked about, and what it answers: plain values between reading, scoring and probing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TIE = 1e-8
"""Rewards closer than this are one reward: TRL's bound for a group without variance."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion of one prompt.

    Attributes:
        prompt: as the reward gets it, rendered text.
        completion: what was, or could have been, written after it.
        columns: what else stands beside the prompt in the user's file; handed to the reward.
        group: number of the prompt; completions of one group are compared with each other by GRPO, and
            statistics are clustered by it.
        answer: the reference answer, None where the data hold none.
        token_ids: of the completion, empty where it was not sampled.
        finish_reason: "stop", "length", ...; "" where it is not known.
        messages: the conversation the prompt was rendered from, empty where it was none.
        sampled: whether a policy wrote the completion; False where it was made up for a probe.
    """

    prompt: str
    completion: str
    columns: dict[str, Any] = field(default_factory=dict)
    group: int = 0
    answer: str | None = None
    token_ids: tuple[int, ...] = ()
    finish_reason: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    sampled: bool = True

    def with_completion(self, completion: str) -> Sample:
        """The same prompt with other words after it, which no policy has sampled."""
        return replace(self, completion=completion, token_ids=(), finish_reason="", sampled=False)


@dataclass(frozen=True, slots=True)
class Score:
    """What a reward said to one sample.

    Attributes:
        value: the reward; None where it abstained (TRL lets a reward function return None for a sample that
            it does not judge), and where `fault` is set.
        fault: what went wrong with this very sample, in words: "raised KeyError: 'answer'", "returned nan",
            "did not return within 10 s". "" where nothing did.
    """

    value: float | None
    fault: str = ""

    @property
    def number(self) -> float:
        """The reward, NaN where there is none."""
        return float("nan") if self.value is None else self.value


def columns_of(samples: Sequence[Sample]) -> dict[str, list[Any]]:
    """The samples' columns, one list a column; None where a sample lacks it."""
    rows = [sample.columns for sample in samples]
    return {name: [row.get(name) for row in rows] for name in sorted(set().union(*rows))}
