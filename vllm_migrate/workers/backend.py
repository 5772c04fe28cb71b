"""What every engine looks like to the serving loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import GenerateRequest, Loaded, ReplayRecord, ReplayRequest, RolloutRecord
    from .score_protocol import ScoreRecord, ScoreRequest
    from .sync import WeightSync

    Progress = Callable[[int, int], None]


class WorkerError(Exception):
    """A failure with a kind the other side understands.

    Attributes:
        kind: "input" (the model or the token ids are wrong), "unsupported" (asked for what this worker
            refuses), "start" (the engine did not come up), "forced-decoding", or "engine".
        message: one line.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Backend(ABC):
    """One engine with one model loaded."""

    @abstractmethod
    def loaded(self) -> Loaded:
        """What came up, read from the live objects."""

    @abstractmethod
    def tokenizer(self) -> Any:
        """The tokenizer in use, in transformers' form."""

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, special tokens added, as the engine itself does for text prompts."""
        tokenizer = self.tokenizer()
        return [list(tokenizer(text)["input_ids"]) for text in texts]

    @abstractmethod
    def generate(self, request: GenerateRequest, progress: Progress) -> list[RolloutRecord]:
        """Sample; records come back ordered by prompt, then sample."""

    @abstractmethod
    def replay(self, request: ReplayRequest, progress: Progress) -> list[ReplayRecord]:
        """Force the given completions; records come back in the order of the request's sequences."""

    def flip(self, setting: str, value: Any) -> dict[str, Any]:
        """Change one setting in the live engine.

        Returns:
            `{"live": True, "was": old value, "why": ""}`, or `live` false with the reason: then only a fresh
            engine started with that setting will show its effect.
        """
        del value
        return {"live": False, "was": None, "why": f"{setting} can't be changed in this engine while it runs"}

    def observe(self) -> dict[str, int]:
        """What the scheduler did since this was last asked; empty where there is none."""
        return {}

    def weight_sync(self) -> WeightSync:
        """Weight updates in this engine, where it has any."""
        raise WorkerError("unsupported", "this engine's weights can't be updated")

    def score(self, request: ScoreRequest, progress: Progress) -> list[ScoreRecord]:
        """Score texts, where the model is a reward model; records come back in the texts' order."""
        del request, progress
        raise WorkerError("unsupported", "this engine was not started to score texts")

    def reset(self) -> bool:
        """Empty the prefix cache; false where the engine refused."""
        return True


def ordering(order: list[int] | None, count: int) -> list[int]:
    """The submission order as a checked permutation of `range(count)`."""
    if order is None:
        return list(range(count))
    if sorted(order) != list(range(count)):
        raise WorkerError("input", f"order must be a permutation of {count} indices")
    return list(order)


def check_token_ids(sequences: list[list[int]], vocab_size: int, what: str) -> None:
    """Refuse ids the model has no embedding for: an engine would read out of bounds or fail mid-batch."""
    for index, ids in enumerate(sequences):
        if not ids:
            raise WorkerError("input", f"{what} {index} is empty")
        low, high = min(ids), max(ids)
        if low < 0 or high >= vocab_size:
            raise WorkerError(
                "input",
                f"{what} {index} has token id {high if high >= vocab_size else low}, "
                f"outside the model's vocabulary of {vocab_size}",
            )
