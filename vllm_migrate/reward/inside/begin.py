"""Starts a reward's process, and ends it with all that it has started.

    python -I -B begin.py JOB,ANSWER,STATUS,CONTROL,BOARD MOST SCRATCH

The first five are descriptors: jobs come from JOB, answers leave on ANSWER, on BOARD (shared memory) stands
which call is being made. This process forks the one that runs the user's code and watches over it: as
subreaper it becomes the parent of whatever that one leaves behind, in sessions of their own as well. It ends
them all when there are more than MOST, when the worker has ended, and when CONTROL is closed, which a killed
parent does too. Then it says on STATUS how it ended, and removes the directory SCRATCH.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import select
import signal
import sys
import time
from typing import Any

_LOOKING_SECONDS = 0.02
_ENDING_SECONDS = 10.0
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_NAME = "_vllm_migrate_reward"


def main() -> None:
    """Fork the worker, watch over it, clean up."""
    job, answer, status, control, board = (int(number) for number in sys.argv[1].split(","))
    most, scratch = int(sys.argv[2]), sys.argv[3]
    ready, watched = os.pipe()
    worker = os.fork()
    if worker == 0:
        for descriptor in (status, control, watched):
            os.close(descriptor)
        serve = _sibling("serve")
        os.read(ready, 1)  # nothing of the user's runs before it is watched
        os.close(ready)
        serve.main(job, answer, board)
        return
    for descriptor in (job, answer, board, ready):
        os.close(descriptor)
    _adopt_orphans()
    os.write(watched, b"1")
    os.close(watched)
    ended = watch(worker, control, most)
    end_all()
    _remove(scratch)
    os.write(status, json.dumps(ended).encode())


def _sibling(name: str) -> Any:
    """A module of this directory, under a name that no module of a user's has."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs as much as all else here
    if _NAME not in sys.modules:
        package = importlib.util.spec_from_file_location(
            _NAME,
            os.path.join(here, "__init__.py"),  # noqa: PTH118 - see above
            submodule_search_locations=[here],
        )
        sys.modules[_NAME] = importlib.util.module_from_spec(package)  # type: ignore[arg-type]
    return importlib.import_module(f"{_NAME}.{name}")


def _adopt_orphans() -> None:
    """Processes whose parent ends become this one's. Without it, those in other sessions would be lost."""
    try:
        import ctypes  # noqa: PLC0415 - loaded while the worker gets ready

        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # a Python without ctypes: the process group is ended all the same


def watch(worker: int, control: int, most: int) -> dict[str, int | None]:
    """How the worker ended: {"status": wait status} (None if asked to), or {"processes": count}."""
    watched = select.poll()
    watched.register(control, select.POLLIN)
    while True:
        asked = watched.poll(_LOOKING_SECONDS * 1000)
        status = _reaped(worker)
        if status is not None:
            return {"status": status}
        if asked:
            return {"status": None}
        count = len(descendants())
        if count > most:
            count = sum(_lives(pid) for pid in descendants())
            if count > most:
                return {"processes": count}


def _reaped(worker: int) -> int | None:
    """The worker's wait status if it has ended; ended orphans are taken note of by the way."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == 0:
            return None
        if pid == worker:
            return status


def descendants() -> list[int]:
    """Processes below this one, parents before their children."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - pathlib costs as much as all else here
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as stream:  # noqa: PTH123 - see above
                found += map(int, stream.read().split())
    except OSError:
        pass  # it has ended
    return found


def _lives(pid: int) -> bool:
    """Whether it is more than the remains that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 - see above
            return stream.read().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except (OSError, IndexError):
        return False


def end_all() -> None:
    """End every descendant. All are stopped first: those that multiply could be quicker."""
    until = time.monotonic() + _ENDING_SECONDS
    while time.monotonic() < until:
        found = descendants()
        for kind in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                _signal(pid, kind)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _signal(pid: int, kind: int) -> None:
    with contextlib.suppress(OSError):  # it has ended
        os.kill(pid, kind)


def _remove(directory: str) -> None:
    import shutil  # noqa: PLC0415 - costs as much as all else here

    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
