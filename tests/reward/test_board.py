"""The memory that a reward's process shares: what is read there was written so, at any time."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.inside import board as module
from vllm_migrate.reward.calling.inside.board import BOARD_BYTES, JOB_BYTES, JOBS_AHEAD, Board
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITER = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("board", sys.argv[1])
board = importlib.util.module_from_spec(spec)
spec.loader.exec_module(board)
written = board.Board(int(sys.argv[2]))
until, number = time.monotonic() + 1.5, 1
while time.monotonic() < until:
    written.at(number, number, number)
    number += 1
"""


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = os.memfd_create("test")
    os.truncate(descriptor, BOARD_BYTES)
    yield descriptor
    os.close(descriptor)


def test_what_is_read_while_another_process_writes_is_never_half_of_a_call(memory: int) -> None:
    board = Board(memory)
    board.at(0, 0, 0)
    before = time.monotonic_ns()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, module.__file__, str(memory)], pass_fds=[memory])
    seen = set()
    while writer.poll() is None:
        chunk, start, stop, since = board.place()
        assert chunk == start == stop
        assert before - 10**9 < since <= time.monotonic_ns()
        seen.add(chunk)
    assert writer.returncode == 0
    assert len(seen) > 100
    board.close()


def test_a_row_that_is_being_written_is_not_read(memory: int) -> None:
    board = Board(memory)
    board.at(1, 2, 3)
    with mmap.mmap(memory, BOARD_BYTES) as raw:
        count = int.from_bytes(raw[:8], "little")
        other = 8 + ((count + 1) & 1) * 32
        raw[other : other + 8] = (77).to_bytes(8, "little")  # killed after the first word of the next call
    assert board.place()[:3] == (1, 2, 3)
    board.close()


def test_as_many_jobs_as_may_be_ahead_stand_side_by_side(memory: int) -> None:
    board = Board(memory)
    jobs = [bytes([number]) * JOB_BYTES for number in range(JOBS_AHEAD)]
    places = [board.put(job) for job in jobs]
    assert [bytes(board.job(place, JOB_BYTES)) for place in places] == jobs
    assert board.put(b"next") == places[0]
    assert board.put(b"x" * (JOB_BYTES + 1)) == -1
    assert bytes(board.job(places[1], 4)) == jobs[1][:4]
    board.close()


def test_a_reward_can_not_cut_the_board_short(tmp_path: Path) -> None:
    file = tmp_path / "cuts.py"
    file.write_text(
        "import os\n"
        "def reward(completions, **_):\n"
        "    refused = 0\n"
        "    for name in os.listdir('/proc/self/fd'):\n"
        "        if 'vllm-migrate-reward' in os.path.realpath('/proc/self/fd/' + name):\n"
        "            try:\n"
        "                os.ftruncate(int(name), 0)\n"
        "            except PermissionError:\n"
        "                refused += 1\n"
        "    return [float(refused)] * len(completions)\n"
    )
    with FunctionScorer(RewardFunction(file, "reward")) as scorer:
        scores = scorer.score([Sample("a", "b")] * 20)
    assert {score.value for score in scores} == {1.0}


def test_texts_that_are_longer_than_a_job_s_place_arrive(tmp_path: Path) -> None:
    file = tmp_path / "lengths.py"
    file.write_text("def reward(completions, **_):\n    return [float(len(one)) for one in completions]\n")
    lengths = [1, JOB_BYTES + 7, 3, 2 * JOB_BYTES, 5, 6, JOB_BYTES - 2000, 8] * 3
    with FunctionScorer(RewardFunction(file, "reward"), batch=1) as scorer:
        scores = scorer.score([Sample("a", "é" * (length % 5) + "x" * length) for length in lengths])
    assert [score.value for score in scores] == [length + length % 5 for length in lengths]
