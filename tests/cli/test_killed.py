"""A rewrite that is killed in the middle: every file is whole, and a second run finishes the work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from children import COMMAND, environment
from samples import SAFE, SAFE_AFTER

if TYPE_CHECKING:
    from pathlib import Path

FILES = 5

# A child that kills itself, with no chance to tidy up, when the interpreter is about to do something for the
# n-th time. What it runs is the command as it is.
CHILD = """\
import os, signal, sys

event, count, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
seen = 0

def hook(name, arguments):
    global seen
    if name == event and any(root in str(argument) for argument in arguments):
        seen += 1
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
from vllm_migrate.cli.app import run
sys.exit(run(["rewrite", ".", "--allow-dirty"]))
"""


@pytest.fixture
def tree(project: Path) -> Path:
    for number in range(FILES):
        (project / f"m{number:02}.py").write_text(SAFE)
    return project


def assert_whole(tree: Path) -> int:
    """Every file is as it was or as it shall be; how many are done."""
    texts = [file.read_text() for file in sorted(tree.glob("*.py"))]
    assert len(texts) == FILES
    assert set(texts) <= {SAFE, SAFE_AFTER}
    return texts.count(SAFE_AFTER)


def assert_finished_by_another_run(tree: Path) -> None:
    command = [*COMMAND, "rewrite", ".", "--allow-dirty"]
    done = subprocess.run(command, cwd=tree, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert assert_whole(tree) == FILES
    assert sorted(file.name for file in tree.iterdir()) == [f"m{number:02}.py" for number in range(FILES)]


@pytest.mark.parametrize(
    ("event", "count", "done"),
    [
        ("tempfile.mkstemp", 1, 0),  # before the first byte is written
        ("os.chmod", 1, 0),  # the new content is written and not yet in place
        ("os.rename", 1, 0),  # about to take its place
        ("tempfile.mkstemp", 4, 3),  # between two files
        ("os.rename", FILES, FILES - 1),
    ],
)
def test_killed_at(tree: Path, event: str, count: int, done: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, event, str(count), str(tree)],
        cwd=tree,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert assert_whole(tree) == done
    assert_finished_by_another_run(tree)


@pytest.mark.parametrize("files_done", [1, 3])
def test_killed_from_outside(tree: Path, files_done: int) -> None:
    process = subprocess.Popen(
        [*COMMAND, "rewrite", ".", "--allow-dirty"],
        cwd=tree,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    last = time.monotonic() + 60
    watched = tree / f"m{files_done - 1:02}.py"
    while process.poll() is None and watched.read_text() == SAFE and time.monotonic() < last:
        time.sleep(0.0005)
    process.kill()
    process.wait()
    assert assert_whole(tree) >= files_done
    assert_finished_by_another_run(tree)
