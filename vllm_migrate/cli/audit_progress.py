"""Progress of an audit on stderr: one changing line on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from vllm_migrate.cli.output import write_error_line

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_REDRAW_SECONDS = 0.1
_CLEAR = "\r\x1b[2K"


class ArmProgress:
    """Called from several threads with an arm, what it does, how much is done, of how much."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._doing: dict[str, str] = {}
        self._said: set[tuple[str, str]] = set()
        self._started = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live and self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def __call__(self, arm: str, what: str, done: int, total: int) -> None:
        """Take note, and show it."""
        if self._quiet:
            return
        with self._lock:
            if self._live:
                self._draw(arm, what, done, total)
            elif (arm, what) not in self._said:
                self._said.add((arm, what))
                write_error_line(f"{time.monotonic() - self._started:5.0f} s  {arm}: {what}")

    def _draw(self, arm: str, what: str, done: int, total: int) -> None:
        finished = total and done >= total
        self._doing[arm] = f"{arm}: {what}" + (f" {done}/{total}" if total else "")
        now = time.monotonic()
        if now - self._drawn < _REDRAW_SECONDS and not finished:
            return
        self._drawn = now
        text = f"{now - self._started:.0f} s  " + "  ".join(list(self._doing.values())[-2:])
        if finished:
            del self._doing[arm]
        sys.stderr.write(_CLEAR + text[:79])
        sys.stderr.flush()
