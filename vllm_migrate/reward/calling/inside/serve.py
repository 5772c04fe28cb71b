"""Answers jobs about a user's reward until there are no more.

A job is a marshalled value: first the start, then chunks of texts. On the job descriptor stand, in eight
bytes each, its place on the board (`inside.board`) and its length; one that is too long for a place there
follows on the descriptor itself, its place being -1. A frame on the answer descriptor is two lengths in four
bytes each, JSON, and that many doubles: NaN where there is no reward. Parents don't unmarshal: what comes
from here is not to be trusted.

Before each call, chunk, first and last text, and the time are written on the board: whoever finds this
process dead or hanging knows at which text.
"""

from __future__ import annotations

import marshal
import os
import resource
import struct
import sys
import time
from array import array

from .asking import Asker
from .board import Board
from .json_text import json_text
from .loaded import Refused, load
from .styles import TEXT, style_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FLUSH_SECONDS = 0.25  # a careful chunk's answers are sent call by call
JOB = struct.Struct("<qq")
_LENGTHS = struct.Struct("<II")
_NAN = float("nan")


class Server:
    """The functions of one reward, and how they are answered for.

    Attributes:
        answer: descriptor of the answers.
        board: where the calls are written.
        chunk: number of the one that is being answered.
    """

    def __init__(self, answer: int, board: Board) -> None:
        self.answer = answer
        self.board = board
        self.chunk = -1
        self.askers: list[Asker] = []
        self.weights: list[float] = []
        self.names: list[str] = []
        self._pid = os.getpid()
        self._loop: Any = None

    def at(self, start: int, stop: int) -> None:
        """Say which texts are asked about from now on."""
        self.board.at(self.chunk, start, stop)

    def start(self, job: dict[str, Any]) -> None:
        """Load the functions, and say how they will be called."""
        try:
            sums = len(job["functions"]) > 1
            for one in job["functions"]:
                self.names.append(one["said"])
                function = load(one["file"], one["module"], one["attribute"], job["directory"])
                style = style_of(function, job["style"])
                self.askers.append(Asker(function, style, sums=sums, at=self.at))
                self.weights.append(one["weight"])
        except Refused as refused:
            self.send({"refused": str(refused), "function": self.names[-1]})
            return
        styles = [asker.style for asker in self.askers]
        everything = any(style.kind != TEXT and style.names is None for style in styles)
        names = set().union(*[style.names or () for style in styles if style.kind != TEXT])
        if any(style.kind == "verl" for style in styles):
            names |= {"reward_model", "ground_truth", "data_source", "extra_info"}
        self.send(
            {
                "styles": [style.kind for style in styles],
                "said": [style.said for style in styles],
                "columns": None if everything else sorted(names),
                "fields": sorted(set().union(*[asker.fields for asker in self.askers])),
                "modules": _own_modules() if job["modules"] else [],
            }
        )

    def cut_off(self, job: dict[str, Any]) -> bool:
        """Whether there is no network any more; says why it could not be cut."""
        from .network import cut_network  # noqa: PLC0415 - few ask for it

        try:
            cut_network()
        except OSError as error:
            why = f"can't be cut off the network on this machine: {error.strerror or error}"
            self.send({"refused": why, "function": job["functions"][0]["said"]})
            return False
        return True

    def answered(self, chunk: dict[str, Any]) -> None:
        """Ask about the texts of a chunk, call by call, and send what was said every quarter second."""
        self.chunk = chunk["number"]
        for asker in self.askers:
            asker.take(chunk)
        values = array("d")
        faults: dict[int, str] = {}
        first = 0
        sent = time.monotonic()
        calls = chunk["calls"]
        for number, (start, stop) in enumerate(calls):
            found = self.called(start, stop)
            if type(found) is array:
                values += found
            else:
                for place, value in enumerate(found, start):
                    values.append(value if type(value) is float else _NAN)
                    if isinstance(value, str):
                        faults[place] = value
            last = number == len(calls) - 1
            if last or chunk["careful"] or time.monotonic() - sent > FLUSH_SECONDS:
                self.at(-1, -1)  # no call is being made
                self.send(
                    {"chunk": self.chunk, "first": first, "last": number, "faults": list(faults.items())},
                    values,
                )
                values = array("d")
                faults = {}
                first = number + 1
                sent = time.monotonic()

    def called(self, start: int, stop: int) -> Any:
        """What all functions together say to some texts."""
        if len(self.askers) == 1 and self.weights[0] == 1:
            found = self.askers[0].ask(start, stop)
            if type(found) is not array and hasattr(found, "__await__"):
                found = self.awaited([found])[0]
            self._only_here()
            return found
        asked = [asker.ask(start, stop) for asker in self.askers]
        asked = self.awaited(asked)
        self._only_here()
        return [self.summed(parts) for parts in zip(*asked)]  # noqa: B905 - 3.8 runs this

    def summed(self, parts: tuple[Any, ...]) -> float | str | None:
        """The weighted sum, without the functions that abstained, as TRL does."""
        total, spoke = 0.0, False
        for name, weight, part in zip(self.names, self.weights, parts):  # noqa: B905 - 3.8 runs this
            if isinstance(part, str):
                return f"{part} ({name})" if len(parts) > 1 else part
            if part is not None:
                total, spoke = total + weight * part, True
        return total if spoke else None

    def awaited(self, asked: list[Any]) -> list[Any]:
        """Several answers, those that have to be awaited at once."""
        if not any(hasattr(one, "__await__") for one in asked):
            return asked
        import asyncio  # noqa: PLC0415 - costs more than all else here, and few need it

        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def same(value: Any) -> Any:
            return await value if hasattr(value, "__await__") else value

        async def together() -> list[Any]:
            return list(await asyncio.gather(*[same(one) for one in asked]))

        return self._loop.run_until_complete(together())  # type: ignore[no-any-return]

    def _only_here(self) -> None:
        """A function that forked has returned in its child as well: only one of both answers."""
        if os.getpid() != self._pid:
            os._exit(0)

    def send(self, message: dict[str, Any], values: array[float] | None = None) -> None:
        """One answer."""
        text = json_text(message).encode()
        count = 0 if values is None else len(values)
        left = memoryview(_LENGTHS.pack(len(text), count) + text + (values.tobytes() if values else b""))
        while left:
            left = left[os.write(self.answer, left) :]


def main(job: int, answer: int, board: int) -> None:
    """Answer frames from `job`; returns when there are no more."""
    for descriptor in (job, answer):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    shared = Board(board)
    os.close(board)
    jobs = _Jobs(job, shared)
    start = jobs.next()
    if start is None:
        return
    _bound(start)
    server = Server(answer, shared)
    if not start["network"] and not server.cut_off(start):
        return
    server.start(start)
    while True:
        chunk = jobs.next()
        if chunk is None:
            return
        server.answered(chunk)


class _Jobs:
    """Jobs, most of them read where they stand: a way through a pipe would copy them twice."""

    def __init__(self, job: int, board: Board) -> None:
        self._job = job
        self._board = board

    def next(self) -> Any:
        """The next job, None after the last."""
        head = self._read(JOB.size)
        if head is None:
            return None
        place, size = JOB.unpack(head)
        body = self._read(size) if place < 0 else self._board.job(place, size)
        return None if body is None else marshal.loads(body)  # noqa: S302 - from our own process

    def _read(self, size: int) -> bytearray | None:
        whole = bytearray(size)
        left = memoryview(whole)
        while left:
            count = os.readv(self._job, [left])
            if not count:
                return None
            left = left[count:]
        return whole


def _bound(start: dict[str, Any]) -> None:
    """Bound what a runaway function can take from the machine."""
    for kind, wanted in (
        (resource.RLIMIT_CPU, start["cpu_seconds"]),
        (resource.RLIMIT_AS, start["memory_bytes"]),
        (resource.RLIMIT_FSIZE, start["file_bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        if wanted is None:
            continue
        _, hard = resource.getrlimit(kind)
        value = int(wanted) if hard == resource.RLIM_INFINITY else min(int(wanted), hard)
        # The hard limit of processor time sends SIGKILL, which says nothing; the soft one SIGXCPU.
        spare = 1 if kind == resource.RLIMIT_CPU and value != hard else 0
        resource.setrlimit(kind, (value, value + spare))


def _own_modules() -> list[str]:
    """Files of the imported modules that are in no environment: those of the user's project."""
    roots = tuple({os.path.realpath(one) + os.sep for one in (sys.prefix, sys.base_prefix)})
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs as much as all else here
    files = {
        os.path.realpath(file)
        for module in list(sys.modules.values())
        if isinstance(file := getattr(module, "__file__", None), str)
    }
    return sorted(
        file for file in files if not file.startswith((*roots, here)) and "site-packages" not in file
    )
