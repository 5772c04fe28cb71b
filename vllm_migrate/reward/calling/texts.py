"""What a reward is asked about, by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

from vllm_migrate.reward.sample import columns_of

if TYPE_CHECKING:
    from vllm_migrate.reward.sample import Sample


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be scored, one entry a completion, in one order throughout.

    Attributes:
        columns: extra columns of the prompts file, one list a column, entries repeated per completion.
        group: completions per call, those of one prompt, as a GRPO trainer would pass them.
        answers: the reference answers, None where there is none; empty where there are none at all.
        messages: the conversations that the prompts were rendered from; empty where there are none at all.
    """

    prompts: Sequence[str]
    completions: Sequence[str]
    completion_ids: Sequence[Sequence[int]]
    columns: dict[str, list[Any]]
    group: int = 1
    answers: Sequence[str | None] = ()
    messages: Sequence[Sequence[dict[str, Any]]] = ()


def texts_of(samples: Sequence[Sample]) -> Texts:
    """Samples by field. What can be is taken when it is needed: a process waits for the first of them."""
    return Texts(
        prompts=_Field(samples, "prompt"),
        completions=_Field(samples, "completion"),
        completion_ids=_Field(samples, "token_ids"),
        columns=columns_of(samples),
        answers=_Field(samples, "answer"),
        messages=_Field(samples, "messages") if any(map(attrgetter("messages"), samples)) else (),
    )


class _Field(Sequence[Any]):
    """One field of all samples, without a list of them all."""

    def __init__(self, samples: Sequence[Sample], name: str) -> None:
        self._samples = samples
        self._of = attrgetter(name)

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return list(map(self._of, self._samples[place]))
        return self._of(self._samples[place])
