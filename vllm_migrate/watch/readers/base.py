"""What every reader of a log file does: read on from where it stopped, and say what it could not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from vllm_migrate.watch.run import Collector


class Reader:
    """Reads one file into a collector.

    Attributes:
        kind: of log, in words.
        finished: whether the log says that the run has ended.
        bad: records or lines that could not be read.
        partial: whether the file ends in the middle of a record, as a file does that is being written.
    """

    kind = "log"

    def __init__(self, path: Path, collector: Collector) -> None:
        self.path = path
        self.collector = collector
        self.finished = False
        self.bad = 0
        self.partial = False
        self._offset = 0
        self._seen: tuple[int, int] | None = None

    def update(self) -> bool:
        """Read what is new; whether there was anything.

        Raises:
            InputError: the file can't be read, or is not what its name says.
        """
        try:
            status = self.path.stat()
            seen = (status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return False
            with self.path.open("rb") as stream:
                if status.st_size < self._offset:
                    self._restart()
                self._read(stream)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}") from error
        self._seen = seen
        return True

    def notes(self) -> list[str]:
        """What could not be read, in words."""
        made = []
        if self.bad:
            made.append(
                f"{self.path.name}: {self.bad:,} lines or records could not be read and were left out"
            )
        if self.partial:
            made.append(f"{self.path.name} ends in the middle of a record, which was left out")
        return made

    def _read(self, stream: BinaryIO) -> None:
        raise NotImplementedError

    def _restart(self) -> None:
        """The file has become shorter: it is another one."""
        self._offset = 0
        self.bad = 0
        self.partial = False
        self.collector.clear()
