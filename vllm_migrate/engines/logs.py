"""What engines write to stderr: one file per process, and finding in it why a process died."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from vllm_migrate.engines.paths import logs_root

if TYPE_CHECKING:
    from pathlib import Path

KEPT_LOGS = 40
"""Logs of the latest processes that are kept."""

TAIL_BYTES = 65536

_EXCEPTION_LINE = re.compile(
    r"^(?:\(\w[^)]*\)\s*)?(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b"
)
_NOISE = re.compile(
    r"Warning|^(?:DEBUG|INFO|WARNING)\b|^\s*(?:File \"|warnings\.warn|return |raise |\^+$|~*\^)|it/s|%\|"
)


def new_log(name: str) -> Path:
    """The path of a log for a process called `name`; the oldest logs are removed."""
    root = logs_root()
    root.mkdir(parents=True, exist_ok=True)
    # Names begin with the time; asking files for theirs would race with another run that tidies up.
    old = sorted(root.glob("*.log"))
    for path in old[: max(0, len(old) - KEPT_LOGS)]:
        path.unlink(missing_ok=True)
    slug = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return (
        root
        / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{os.getpid()}-{time.monotonic_ns() % 1_000_000:06d}.log"
    )


def last_meaningful_line(log: Path | None) -> str:
    """What a dead process said last: its last exception, else the last line that is no noise."""
    if log is None or not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = [line.rstrip() for line in file.read().decode("utf-8", errors="replace").splitlines()]
    for line in reversed(lines):
        if _EXCEPTION_LINE.match(line):
            return line.strip()[:300]
    for line in reversed(lines):
        if line.strip() and not _NOISE.search(line):
            return line.strip()[:300]
    return ""
