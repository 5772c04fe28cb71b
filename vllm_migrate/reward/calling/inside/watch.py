"""Watches over a reward's process, and ends it with all that it has started.

As subreaper this process becomes the parent of whatever the worker leaves behind, in sessions of their own as
well. It ends them all when there are too many, when the worker has ended, and when its control descriptor is
closed, which a killed parent does too.
"""

from __future__ import annotations

import os
import select
import time

_LOOKING_SECONDS = 0.05
_ENDING_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.0002  # what is killed is gone about then
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def adopt_orphans() -> None:
    """Processes whose parent ends become this one's. Without it, those in other sessions would be lost."""
    wanted = (_SUBREAPER, 1, 0, 0, 0)
    try:
        import _ctypes  # noqa: PLC0415 - a Python may lack it; all of ctypes takes several times as long

        _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl"), wanted)  # type: ignore[arg-type] # None is this program
    except (ImportError, OSError, AttributeError):
        try:
            import ctypes  # noqa: PLC0415 - see above

            ctypes.CDLL(None).prctl(*wanted)
        except (ImportError, OSError, AttributeError):
            pass  # the process group is ended all the same


def until_ended(worker: int, control: int, most: int, scratch: str) -> bytes:
    """Wait until the worker has ended, or has to be; then end what is left, and remove a directory.

    Returns:
        JSON: {"status": wait status}, None where it was asked to end; or {"processes": count}.
    """
    said = _watched(worker, control, most)
    end_all()
    _remove(scratch)
    return said.encode()


def _watched(worker: int, control: int, most: int) -> str:
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    while True:
        asked = waiting.poll(_LOOKING_SECONDS * 1000)
        status = _reaped(worker)
        if status is not None:
            return f'{{"status": {status}}}'
        if asked:
            return '{"status": null}'
        if not alone(worker) and len(descendants()) > most:
            count = sum(_lives(pid) for pid in descendants())
            if count > most:
                return f'{{"processes": {count}}}'


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


def alone(worker: int) -> bool:
    """Whether there is no process but the worker, which has one thread: asked often, so in few steps."""
    try:
        if os.stat(f"/proc/{worker}/task").st_nlink > 3:  # noqa: PLR2004, PTH116 - two, and one for each thread
            return False
        return not _children(worker) and len(_children(os.getpid())) == 1
    except OSError:
        return False


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
    pause = _FIRST_PAUSE_SECONDS
    while time.monotonic() < until:
        found = descendants()
        if found:
            for kind in _ending():
                for pid in found:
                    _signal(pid, kind)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(pause)
        pause = min(2 * pause, _LOOKING_SECONDS)


def _ending() -> tuple[int, int]:
    """SIGSTOP and SIGKILL, without the enumerations of `signal`, which take as long as all else here."""
    try:
        import _signal  # type: ignore[import-not-found]  # noqa: PLC0415 - few Pythons lack it
    except ImportError:
        import signal  # noqa: PLC0415 - see above

        return signal.SIGSTOP, signal.SIGKILL
    return _signal.SIGSTOP, _signal.SIGKILL


def _signal(pid: int, kind: int) -> None:
    try:  # noqa: SIM105 - contextlib costs as much as all else here
        os.kill(pid, kind)
    except OSError:
        pass  # it has ended


def _remove(directory: str) -> None:
    try:
        os.rmdir(directory)  # noqa: PTH106 - see above
    except OSError:
        import shutil  # noqa: PLC0415 - most leave nothing behind

        shutil.rmtree(directory, ignore_errors=True)
