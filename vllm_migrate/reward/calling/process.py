"""The process of a reward, seen from outside: frames to it, answers from it, how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import marshal
import os
import select
import signal
import struct
import subprocess
import tempfile
import time
import weakref
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import RewardError
from vllm_migrate.reward.calling import inside
from vllm_migrate.reward.calling.inside.board import BOARD_BYTES, Board
from vllm_migrate.reward.calling.inside.serve import JOB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
"""What a reward sees of the environment: no tokens, no keys."""

_ANSWER_BYTES = 16 << 20  # of one answer; those of the process's own are some kilobytes
_LENGTHS = struct.Struct("<II")
_ENDING_SECONDS = 15.0
_MARSHAL = 4  # the newest that Python 3.8 reads; ASCII text is copied, not encoded, from 4 on
_READ_BYTES = 1 << 16
_BEGIN = Path(inside.__file__).with_name("begin.py")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what it says, and rewards, NaN where there is none."""

    message: dict[str, Any]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Place:
    """Which call is being made: texts `start` to `stop` of a chunk, since when (clock: time.monotonic)."""

    chunk: int
    start: int
    stop: int
    since: float


class EndedError(Exception):
    """The process is gone. `how` in words: "ended its process (SIGSEGV)"."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class RewardProcess:
    """A process that runs a reward; ends with this object, and with this process however that ends.

    Args:
        python: interpreter that runs it.
        start: the first frame.
        most: processes it may have at once.
        passed: names of further environment variables that it sees.
        home: whether it sees the user's home directory; else a scratch directory is its home.
    """

    def __init__(
        self, python: str, start: dict[str, Any], *, most: int, passed: Iterable[str] = (), home: bool = False
    ) -> None:
        self._outgoing: list[memoryview] = []
        self._buffer = bytearray()
        self._hears = True
        self._cpu_seconds = start["cpu_seconds"]
        self._ended: EndedError | None = None
        scratch = tempfile.mkdtemp(prefix="vllm-migrate-reward-")
        board = _shared()
        self._board = Board(board)
        self._board.at(-1, -1, -1)
        job_in, self._job = os.pipe()
        self._answer, answer_out = os.pipe()
        self._status, status_out = os.pipe()
        control_in, self._control = os.pipe()
        given = (job_in, answer_out, status_out, control_in, board)
        names = [*PASSED_ON, *passed, *(["HOME"] if home else [])]
        environment = {name: os.environ[name] for name in names if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "TMPDIR": scratch}
        if not home:
            environment["HOME"] = scratch
        try:
            self._process = subprocess.Popen(
                [python, "-I", str(_BEGIN), ",".join(map(str, given)), str(most), scratch],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=given,
                env=environment,
                cwd=scratch,
                start_new_session=True,
            )
        except OSError as error:
            os.rmdir(scratch)  # noqa: PTH106 - it is a string
            for descriptor in (self._job, self._answer, self._status, self._control):
                os.close(descriptor)
            raise RewardError(f"can't start {python}: {error.strerror or error}") from None
        finally:
            for descriptor in given:
                os.close(descriptor)
        self._close = weakref.finalize(
            self,
            _end,
            self._process,
            self._board,
            (self._job, self._control),
            (self._status, self._answer),
        )
        for descriptor in (self._job, self._answer):
            os.set_blocking(descriptor, False)
        self.send(start)

    def place(self) -> Place:
        """The call that was made last; not to be asked after `end`."""
        chunk, start, stop, since = self._board.place()
        return Place(chunk, start, stop, since / 1e9)

    def send(self, frame: dict[str, Any]) -> int:
        """Have a frame written as soon as there is room; `answers` does the writing.

        No more than JOBS_AHEAD frames may be unanswered: the next one takes the place of the oldest.

        Returns:
            Its bytes.

        Raises:
            ValueError: it holds what can't be marshalled.
        """
        body = marshal.dumps(frame, _MARSHAL)
        place = self._board.put(body)
        self._outgoing.append(memoryview(JOB.pack(place, len(body))))
        if place < 0:
            self._outgoing.append(memoryview(body))
        return len(body)

    def answers(self, seconds: float) -> list[Answer]:
        """What it has answered; waits up to `seconds` for the first answer.

        Raises:
            EndedError: there is nothing more to come.
        """
        until = time.monotonic() + seconds
        while True:
            self._write()
            found = self._parsed()
            if found:
                return found
            if self._ended is not None:
                raise self._ended
            watched = select.poll()
            if self._hears:
                watched.register(self._answer, select.POLLIN)
            watched.register(self._status, select.POLLIN)
            if self._outgoing:
                watched.register(self._job, select.POLLOUT)
            left = until - time.monotonic()
            ready = dict(watched.poll(max(0.0, left) * 1000))
            if not ready:
                return []
            if self._answer in ready:
                self._read()
            if self._status in ready:
                self._ended = EndedError(self._how())
                self._read()

    def end(self) -> None:
        """End it with all it started; calling it again does nothing."""
        self._close()

    def _write(self) -> None:
        while self._outgoing:
            try:
                written = os.write(self._job, self._outgoing[0])
            except BlockingIOError:
                return
            except OSError:  # it has ended, which its status says
                self._outgoing.clear()
                return
            if written == len(self._outgoing[0]):
                self._outgoing.pop(0)
            else:
                self._outgoing[0] = self._outgoing[0][written:]

    def _read(self) -> None:
        """All that can be read now."""
        while True:
            try:
                chunk = os.read(self._answer, _READ_BYTES)
            except OSError:
                return
            if not chunk:
                self._hears = False
                return
            self._buffer += chunk
            if len(chunk) < _READ_BYTES or len(self._buffer) > _ANSWER_BYTES:
                return

    def _parsed(self) -> list[Answer]:
        found = []
        while len(self._buffer) >= _LENGTHS.size:
            text, count = _LENGTHS.unpack_from(self._buffer)
            if text + 8 * count > _ANSWER_BYTES:
                raise EndedError("wrote into the channel of its rewards")
            size = _LENGTHS.size + text + 8 * count
            if len(self._buffer) < size:
                break
            try:
                message = json.loads(self._buffer[_LENGTHS.size : _LENGTHS.size + text])
            except ValueError:
                message = None
            if not isinstance(message, dict):
                raise EndedError("wrote into the channel of its rewards")
            values = array("d")
            values.frombytes(bytes(self._buffer[_LENGTHS.size + text : size]))
            del self._buffer[:size]
            found.append(Answer(message, values))
        return found

    def _how(self) -> str:
        """The status in words."""
        said = b""
        while chunk := os.read(self._status, 4096):
            said += chunk
        try:
            status = json.loads(said)
        except ValueError:
            return "ended the process that watches over it"
        if "processes" in status:
            return f"started {status['processes']} processes"
        code = os.waitstatus_to_exitcode(status["status"] or 0)
        if code >= 0:
            return f"ended its process (exit status {code})"
        if -code == signal.SIGXCPU:
            seconds = self._cpu_seconds
            return f"used more than {'its' if seconds is None else f'its {seconds} s of'} processor time"
        return f"ended its process ({signal.Signals(-code).name})"


def _shared() -> int:
    """Memory that is shared with the process. It can't be cut short: who reads what is gone is killed."""
    board = os.memfd_create("vllm-migrate-reward", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(board, BOARD_BYTES)
    fcntl.fcntl(board, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return board


def _end(
    process: subprocess.Popen[bytes], board: Board, to_it: tuple[int, int], from_it: tuple[int, int]
) -> None:
    board.close()
    for descriptor in to_it:
        os.close(descriptor)
    # The status ends with the watching process; `Popen.wait` with a limit looks seldom, and ever more so.
    if not _ended(from_it[0], _ENDING_SECONDS):
        process.kill()
    # Where the watching process was killed, or could not end all.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for descriptor in from_it:
        os.close(descriptor)


def _ended(descriptor: int, seconds: float) -> bool:
    """Whether nobody can write to a pipe any more, within so many seconds."""
    until = time.monotonic() + seconds
    watched = select.poll()
    watched.register(descriptor, select.POLLIN)
    while watched.poll(max(0.0, until - time.monotonic()) * 1000):
        if not os.read(descriptor, 4096):
            return True
    return False
