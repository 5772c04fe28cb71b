"""Benches for the tests of probes: plain functions of a sample stand in for a reward in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import Bench
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.sample import Sample, Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Asked:
    """A `Scorer` over a function of one sample; what it raises is a fault, as in a real one."""

    def __init__(self, function: Callable[[Sample], float | None]) -> None:
        self.function = function
        self.calls: list[tuple[int, int | None, bool]] = []

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        self.calls.append((len(samples), batch, fresh))
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Score:
        try:
            return Score(self.function(sample))
        except ValueError as error:
            return Score(None, f"raised ValueError: {error}")


def sums(prompts: int = 30, samples: int = 4) -> list[Sample]:
    """Additions, of each prompt some right and some wrong answers, in a fixed pattern."""
    found = []
    for number in range(prompts):
        left, right = 100 + 7 * number, 900 - 11 * number
        for turn in range(samples):
            given = left + right if (number + turn) % 3 else left + right + 1 + turn
            found.append(
                Sample(
                    prompt=f"What is {left}+{right}?",
                    completion=f"I add the tens. Then I add the ones. Answer: {given}",
                    columns={"answer": str(left + right)},
                    group=number,
                    answer=str(left + right),
                    finish_reason="stop",
                )
            )
    return found


def exact(sample: Sample) -> float:
    """1 where what follows the last "Answer:" is the reference, else 0."""
    return float(sample.completion.rpartition("Answer:")[2].strip() == sample.answer)


def bench(function: Callable[[Sample], float | None], samples: Sequence[Sample] | None = None) -> Bench:
    """What a probe gets to work with."""
    scorer = Asked(function)
    chosen = sums() if samples is None else samples
    return Bench(chosen, scorer.score(chosen), scorer, limits=shipped_limits())


class Whole(Asked):
    """A `Scorer` over a function of a whole batch, as TRL calls them; `fresh` begins with a new one.

    Args:
        make: gives the function of a process that has scored nothing yet. What it raises is the fault of
            every sample of the batch; a wrong count likewise, as in a real one.
    """

    def __init__(
        self, make: Callable[[], Callable[[Sequence[Sample]], Sequence[float]]], size: int = 8
    ) -> None:
        super().__init__(lambda _: 0.0)
        self.make = make
        self.size = size
        self.running = make()

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        function = self.make() if fresh else self.running
        size = batch or self.size
        return [
            score
            for start in range(0, len(samples), size)
            for score in _called(function, samples[start : start + size])
        ]


def _called(
    function: Callable[[Sequence[Sample]], Sequence[float]], samples: Sequence[Sample]
) -> list[Score]:
    try:
        values = list(function(samples))
    except (ValueError, ZeroDivisionError) as error:
        return [Score(None, f"raised {type(error).__name__}: {error}") for _ in samples]
    if len(values) != len(samples):
        return [
            Score(None, f"returned {len(values)} rewards for {len(samples)} completions") for _ in samples
        ]
    return [Score(value) if value == value else Score(None, "returned nan") for value in values]  # noqa: PLR0124 - NaN


def bench_of(scorer: Asked, samples: Sequence[Sample] | None = None) -> Bench:
    """What a probe gets to work with, over a scorer."""
    chosen = sums() if samples is None else samples
    return Bench(chosen, scorer.score(chosen), scorer, limits=shipped_limits())
