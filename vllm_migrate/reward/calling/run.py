"""One list of texts on its way through a reward's processes, which may hang or die.

Texts are handed over in chunks of calls, the next chunk while one is being answered. What a call did that
does not come back is found on the board (see `inside.serve`). If it was about several texts, each of them is
asked about alone, so that one text alone is blamed; the others keep their place in the order.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vllm_migrate.reward.calling.inside.board import JOBS_AHEAD
from vllm_migrate.reward.calling.process import EndedError
from vllm_migrate.reward.sample import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vllm_migrate.reward.calling.process import Answer, RewardProcess
    from vllm_migrate.reward.calling.sandbox import Sandbox
    from vllm_migrate.reward.calling.texts import Texts

    Told = Callable[[Sequence[int], Sequence[Score]], None]

NOT_SCORED = "not scored"

_FIRST_CHUNK = 64  # texts; the process is to have something to do while the rest is made ready
_CHUNK = 1024  # texts at most, towards which chunks grow; a call that has more goes as one
_CHUNK_BYTES = 400_000  # what is not much longer than others fits into a job's place
_BETWEEN_SECONDS = 120.0  # for what is no call: reading a chunk


@dataclass(eq=False, slots=True)
class _Batch:
    """A call of several texts that did not come back, and what it did."""

    places: Sequence[int]
    how: str


@dataclass(eq=False, slots=True)
class _Call:
    """Texts to be asked about together.

    Attributes:
        places: of the texts.
        batch: what they were part of, where that did not come back.
        careful: its answer is waited for before the next call is made.
    """

    places: Sequence[int]
    batch: _Batch | None = None
    careful: bool = False


@dataclass(eq=False, slots=True)
class _Chunk:
    """Calls that were handed over, and how many of them are answered."""

    number: int
    calls: list[_Call]
    done: int = 0
    since: float = 0.0


class Run:
    """One list of texts on its way through processes.

    Args:
        sandbox: starts them.
        texts: to be asked about.
        batch: texts a call.
        known: as in `Sandbox.ask`.
        told: as in `Sandbox.ask`.
    """

    def __init__(
        self, sandbox: Sandbox, texts: Texts, batch: int, known: Mapping[int, Score], told: Told | None
    ) -> None:
        count = len(texts.completions)
        self.process: RewardProcess | None = None
        self.found: list[Score | None] = [None] * count
        self._sandbox = sandbox
        self._texts = texts
        self._told = told
        spans = [range(start, min(start + batch, count)) for start in range(0, count, batch)]
        self._waiting = deque(
            _Call(span) for span in spans if not known or not all(at in known for at in span)
        )
        for place, score in known.items():
            self.found[place] = score
        self._out: deque[_Chunk] = deque()
        self._spoiled: list[_Batch] = []
        self._size = _FIRST_CHUNK

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be asked."""
        return not self._waiting and not self._out

    def all_answered(self) -> None:
        """Until every text has its score."""
        while not self.is_done:
            if self._sandbox.exhausted:
                self._give_up(self._sandbox.exhausted)
                break
            if self.process is None:
                if self._sandbox.restarts > self._sandbox.bounds.restarts:
                    self._give_up(f"its process hung or ended {self._sandbox.restarts} times before")
                    break
                self.process = self._sandbox.started()
            try:
                self._hand_over(self.process)
                self._listen(self.process)
            except EndedError as ended:
                self._recover(self.process, ended.how)
        for batch in self._spoiled:
            self._blame(batch)

    def _hand_over(self, process: RewardProcess) -> None:
        while self._waiting and len(self._out) < JOBS_AHEAD:
            chunk = _Chunk(self._sandbox.next_number(), self._next_calls(), since=time.monotonic())
            frame = self._frame(chunk)
            try:
                sent = process.send(frame)
            except ValueError:
                sent = process.send(_plain(frame))
            self._out.append(chunk)
            # The next one is larger, up to a bound: every chunk costs a change of processes.
            texts = sum([len(call.places) for call in chunk.calls])
            self._size = min(2 * self._size, _CHUNK, texts * _CHUNK_BYTES // sent)

    def _next_calls(self) -> list[_Call]:
        """Those of the next chunk."""
        calls: list[_Call] = []
        size = 0
        while self._waiting and (not calls or size + len(self._waiting[0].places) <= self._size):
            calls.append(self._waiting.popleft())
            size += len(calls[-1].places)
        return calls

    def _frame(self, chunk: _Chunk) -> dict[str, Any]:
        texts, taken = self._texts, self._sandbox.taken
        if taken is None:
            raise AssertionError
        spans, start = [], 0
        for call in chunk.calls:
            spans.append((start, start + len(call.places)))
            start += len(call.places)
        first, last = chunk.calls[0].places[0], chunk.calls[-1].places[-1]
        places: Sequence[int] = [place for call in chunk.calls for place in call.places]
        whole = last - first + 1 == len(places)

        def of(values: Sequence[Any]) -> list[Any]:
            return list(values[first : last + 1]) if whole else [values[place] for place in places]

        def field(name: str, values: Sequence[Any]) -> list[Any]:
            return of(values) if values and name in taken.fields else []

        return {
            "number": chunk.number,
            "calls": spans,
            "careful": any(call.careful for call in chunk.calls),
            "prompts": field("prompts", texts.prompts),
            "completions": of(texts.completions),
            "answers": field("answers", texts.answers) or [None] * len(places),
            "ids": list(map(list, of(texts.completion_ids))) if "ids" in taken.fields else [],
            "columns": {
                name: of(values)
                for name, values in texts.columns.items()
                if taken.columns is None or name in taken.columns
            },
            "messages": of(texts.messages) if texts.messages else [],
        }

    def _listen(self, process: RewardProcess) -> None:
        """Take the next answers, or end a process that has none for too long."""
        # What is on the board may change while this waits.
        left = min(self._left(process), self._sandbox.seconds_left, self._sandbox.bounds.seconds)
        answers = process.answers(max(0.0, left))
        for answer in answers:
            self._take(answer)
        if not answers and self._left(process) <= 0:
            place = process.place()
            texts = max(1, place.stop - place.start) if self._at_work(place.chunk) else 1
            seconds = self._sandbox.bounds.seconds * texts
            self._sandbox.lost += seconds
            raise EndedError(f"did not return within {seconds:g} s")

    def _at_work(self, chunk: int) -> bool:
        return bool(self._out) and self._out[0].number == chunk

    def _left(self, process: RewardProcess) -> float:
        """Seconds until the call that is being made has taken too long."""
        place, now = process.place(), time.monotonic()
        if self._at_work(place.chunk):
            return place.since + self._sandbox.bounds.seconds * max(1, place.stop - place.start) - now
        return self._out[0].since + _BETWEEN_SECONDS - now

    def _take(self, answer: Answer) -> None:
        message = answer.message
        chunk = self._out[0] if self._out else None
        if chunk is None or message.get("chunk") != chunk.number or message.get("first") != chunk.done:
            raise EndedError("wrote into the channel of its rewards")
        calls = chunk.calls[chunk.done : int(message["last"]) + 1]
        places = [place for call in calls for place in call.places]
        if len(places) != len(answer.values):
            raise EndedError("wrote into the channel of its rewards")
        before = sum(len(call.places) for call in chunk.calls[: chunk.done])
        values = list(answer.values)
        made = {value: Score(None if math.isnan(value) else value) for value in set(values)}  # few, mostly
        scores = list(map(made.__getitem__, values))
        for at, fault in message["faults"]:
            scores[int(at) - before] = Score(None, str(fault))
        if places[-1] - places[0] + 1 == len(places):
            self.found[places[0] : places[-1] + 1] = scores
        else:
            for place, score in zip(places, scores, strict=True):
                self.found[place] = score
        if self._told is not None:
            self._tell([place for call in calls if call.batch is None for place in call.places])
        chunk.done += len(calls)
        chunk.since = time.monotonic()
        if chunk.done == len(chunk.calls):
            self._out.popleft()

    def _tell(self, places: Sequence[int]) -> None:
        scored = [
            (place, score)
            for place in places
            if (score := self.found[place]) is not None and not score.fault.startswith(NOT_SCORED)
        ]
        if self._told is not None and scored:
            self._told([place for place, _ in scored], [score for _, score in scored])

    def _recover(self, process: RewardProcess, how: str) -> None:
        """Blame the call that was being made, and ask the rest again in another process."""
        place = process.place()
        process.end()
        self.process = None
        self._sandbox.restarts += 1
        left: list[_Call] = []
        first = self._out[0].calls[self._out[0].done] if self._out else None
        for chunk in self._out:
            start = sum(len(call.places) for call in chunk.calls[: chunk.done])
            for call in chunk.calls[chunk.done :]:
                stop = start + len(call.places)
                here = chunk.number == place.chunk
                if here and start <= place.start < stop:
                    left += self._spoilt(call, place.start - start, place.stop - start, how)
                elif here and call is first and call.careful and place.start < 0:
                    # It ended after the call, before its answer was out.
                    left += self._spoilt(call, 0, len(call.places), how)
                else:
                    call.careful = True
                    left.append(call)
                start = stop
        self._out.clear()
        self._waiting.extendleft(reversed(left))
        self._size = _FIRST_CHUNK

    def _spoilt(self, call: _Call, first: int, last: int, how: str) -> list[_Call]:
        """What is still to be asked of a call that did not come back."""
        guilty = call.places[first:last] or call.places  # a reward can write on the board, too
        if len(guilty) > 1:
            batch = _Batch(call.places, how)
            self._spoiled.append(batch)
            return [_Call((place,), batch, careful=True) for place in call.places]
        self.found[guilty[0]] = Score(None, how)
        left = [_Call((place,), careful=True) for place in call.places if place != guilty[0]]
        if call.batch is None:
            self._tell(guilty)
        return left

    def _blame(self, batch: _Batch) -> None:
        """Where each text of a batch can be scored alone, what they did together is every one's fault."""
        scores = [self.found[place] for place in batch.places]
        if not any(score is None or score.fault for score in scores):
            how = f"{batch.how}, in a batch of {len(batch.places)} and for no text of it alone"
            for place in batch.places:
                self.found[place] = Score(None, how)
        self._tell(batch.places)

    def _give_up(self, why: str) -> None:
        """Leave what is not answered yet unscored."""
        if self.process is not None:
            self.process.end()
            self.process = None
        score = Score(None, f"{NOT_SCORED}: {why}")
        self.found = [score if one is None else one for one in self.found]
        self._waiting.clear()
        self._out.clear()


def _plain(value: Any) -> Any:
    """A value in types that every Python can read: arrays as lists, what is none of them in words."""
    if value is None or type(value) in {bool, int, float, str, bytes}:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
