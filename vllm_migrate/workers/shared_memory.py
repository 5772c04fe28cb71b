"""Names of the shared memory between the processes of one engine.

vLLM's executors speak through segments in /dev/shm that their creators are to remove when they end. A worker
is ended at once, with all of its processes, so the names are taken away as soon as every rank has its segment
mapped: the memory then goes with the last process. Nothing opens them by name after an engine has started.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

_MAPPED = re.compile(r"(/dev/shm/(?:psm_[0-9a-f]+|[^/\n]+-cpushm_\d+))$", re.MULTILINE)
"""Python's segments, in which vLLM keeps its queues, and those of its CPU collectives."""

PROCESSES = Path("/proc")


def release_names(processes: Path = PROCESSES) -> list[str]:
    """Remove the names of all segments that processes of this process group have mapped; says which."""
    group = os.getpgrp()
    found: set[str] = set()
    for process in processes.glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it may end meanwhile
            if os.getpgid(int(process.name)) == group:
                found.update(_MAPPED.findall((process / "maps").read_text(encoding="utf-8")))
    for name in found:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - a name in memory rather than a file
    return sorted(found)
