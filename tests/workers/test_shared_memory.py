"""Segments of shared memory lose their names and nothing else while processes have them mapped."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from vllm_migrate.workers.shared_memory import PROCESSES, release_names

HERE = Path("/dev") / "shm"

pytestmark = pytest.mark.skipif(not HERE.is_dir() or not PROCESSES.is_dir(), reason="Linux only")

CHILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from multiprocessing.shared_memory import SharedMemory
from vllm_migrate.workers.shared_memory import release_names
os.setpgid(0, 0)
mine = SharedMemory(create=True, size=64)
reader, writer = os.pipe()
told, tell = os.pipe()
if not os.fork():
    other = SharedMemory(mine.name)
    os.write(tell, b"x")
    os.read(reader, 1)
    other.buf[0] = 7
    os._exit(0)
plain = open("/dev/shm/" + mine.name + "-plain", "w")
os.read(told, 1)
print(*release_names())
print(*[name for name in os.listdir("/dev/shm") if mine.name in name])
os.write(writer, b"x")
os.wait()
print(mine.buf[0])
os.unlink(plain.name)
sys.stdout.flush()
os._exit(0)
"""


def test_names_go_and_the_memory_stays_for_those_who_have_it():
    tree = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tree], capture_output=True, text=True, timeout=60, check=True
    )
    released, left, value = done.stdout.splitlines()
    assert Path(released).parent == HERE
    assert left == f"{Path(released).name}-plain"
    assert value == "7"


def test_segments_of_other_process_groups_keep_theirs():
    mine = SharedMemory(create=True, size=64)
    try:
        code = "import os, sys; os.setpgid(0, 0); sys.path.insert(0, sys.argv[1])\n"
        code += "from vllm_migrate.workers.shared_memory import release_names; print(release_names())"
        tree = str(Path(__file__).resolve().parents[2])
        done = subprocess.run(
            [sys.executable, "-c", code, tree], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.strip() == "[]"
        assert (HERE / mine.name).exists()
    finally:
        mine.close()
        mine.unlink()


def test_a_process_that_ends_meanwhile_is_passed_over(tmp_path):
    for name in ("999999999", str(os.getpid())):
        (tmp_path / name).mkdir()
    (tmp_path / str(os.getpid()) / "maps").write_text(
        "7f00-7f01 rw-s 00000000 00:18 5 /dev/shm/psm_0000dead\n"
        "7f00-7f01 rw-s 00000000 00:18 5 /dev/shm/psm_0000beef (deleted)\n"
        "7f00-7f01 rw-s 00000000 00:18 5 /dev/shm/12-tp:0-[0-1]-cpushm_1\n"
        "7f00-7f01 rw-s 00000000 00:18 5 /dev/shm/nccl-abc\n"
    )
    assert [Path(name).name for name in release_names(tmp_path)] == [
        "12-tp:0-[0-1]-cpushm_1",
        "psm_0000dead",
    ]
