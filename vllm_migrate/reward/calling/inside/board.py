"""Memory that a reward's process shares with the one that asks it: which call is being made, and jobs.

The call stands in one of two rows, and a counter says in which. Only the other row is written, then the
counter is raised: whoever reads a row between two equal readings of the counter has read it whole, and a
process that is killed while it writes leaves the row before. Every word is stored in one step.
"""

from __future__ import annotations

import mmap
import time

JOBS_AHEAD = 2  # handed over and not answered: as many places as there are for them
JOB_BYTES = 1 << 19  # of a place; memory is only taken as far as it is written
_WORD = 8
_ROW = 4  # words
_WORDS = 1 + 2 * _ROW
_JOBS = 128  # the words' bytes, and some to spare
BOARD_BYTES = _JOBS + JOBS_AHEAD * JOB_BYTES
_READINGS = 100  # a reward may write here as it likes: nobody is to wait for it


class Board:
    """The board, as either process sees it.

    Args:
        descriptor: of BOARD_BYTES of shared memory.
    """

    def __init__(self, descriptor: int) -> None:
        self.memory = mmap.mmap(descriptor, BOARD_BYTES)
        self._bytes = memoryview(self.memory)
        self._words = self._bytes[: _WORDS * _WORD].cast("q")
        self._next_job = 0

    def at(self, chunk: int, start: int, stop: int) -> None:
        """Say that texts `start` to `stop` of a chunk are asked about from now on; -1 for no call."""
        words = self._words
        count = words[0] + 1
        row = 1 + (count & 1) * _ROW
        words[row] = chunk
        words[row + 1] = start
        words[row + 2] = stop
        words[row + 3] = time.monotonic_ns()
        words[0] = count

    def place(self) -> tuple[int, int, int, int]:
        """Chunk, start, stop and since when (nanoseconds of time.monotonic_ns), as last said by `at`."""
        words = self._words
        found = (-1, -1, -1, 0)
        for _ in range(_READINGS):
            count = words[0]
            row = 1 + (count & 1) * _ROW
            found = (words[row], words[row + 1], words[row + 2], words[row + 3])
            if words[0] == count:
                break
        return found

    def put(self, job: bytes) -> int:
        """Write a job over the oldest one.

        Returns:
            Where it stands; -1 if it is longer than JOB_BYTES and is not written.
        """
        if len(job) > JOB_BYTES:
            return -1
        place = _JOBS + self._next_job * JOB_BYTES
        self._next_job = (self._next_job + 1) % JOBS_AHEAD
        self._bytes[place : place + len(job)] = job
        return place

    def job(self, place: int, size: int) -> memoryview:
        """What `put` wrote."""
        return self._bytes[place : place + size]

    def close(self) -> None:
        """Let the memory go."""
        self._words.release()
        self._bytes.release()
        self.memory.close()
