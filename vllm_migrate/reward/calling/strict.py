"""A run for those who need a reward of every text: it ends at the first one that has none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

from vllm_migrate.errors import RewardError
from vllm_migrate.reward.calling.hints import hint_for
from vllm_migrate.reward.calling.process import EndedError
from vllm_migrate.reward.calling.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.calling.process import RewardProcess
    from vllm_migrate.reward.calling.sandbox import Sandbox
    from vllm_migrate.reward.calling.texts import Texts
    from vllm_migrate.reward.sample import Score


class StrictRun(Run):
    """A run that ends at the first text without a reward.

    Args:
        sandbox: as in `Run`.
        texts: as in `Run`.
        batch: as in `Run`.
        seconds: for all of them.
        begun: when these began (clock: time.monotonic).
    """

    def __init__(self, sandbox: Sandbox, texts: Texts, batch: int, seconds: float, begun: float) -> None:
        super().__init__(sandbox, texts, batch, {}, self._require)
        self._seconds = seconds
        self._until = begun + seconds
        for call in self._waiting:
            call.careful = True  # a failure is told before the next call is made

    def _require(self, places: Sequence[int], scores: Sequence[Score]) -> None:
        for place, score in zip(places, scores, strict=True):
            if score.value is None:
                self._refuse(score.fault or "returned NoneType, not a number", f" on text {place}")

    def _listen(self, process: RewardProcess) -> None:
        answers = process.answers(max(0.0, self._until - time.monotonic()))
        for answer in answers:
            self._take(answer)
        if time.monotonic() >= self._until and not self.is_done:
            raise EndedError(f"did not return within {self._seconds:g} s")

    def _recover(self, process: RewardProcess, how: str) -> None:
        place = process.place()
        begin = next((chunk.calls[0].places[0] for chunk in self._out if chunk.number == place.chunk), 0)
        first, last = begin + place.start, begin + place.stop - 1
        where = f" on text {first}" if first == last else f" on texts {first} to {last}"
        self._refuse(how, where if place.start >= 0 else "")

    def _refuse(self, how: str, where: str) -> NoReturn:
        raise RewardError(f"reward function {self._sandbox.said} {how}{where}", hint=hint_for(how))
