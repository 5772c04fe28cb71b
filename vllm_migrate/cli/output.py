"""Where output goes: results to stdout or a file, everything else to stderr."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.report.style import Style, style_for, terminal_width
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from typing import TextIO

_PROGRESS_AFTER = 0.5
_PROGRESS_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Output:
    """Where one run writes.

    Attributes:
        file: takes the result in place of stdout.
        quiet: no summary, no progress; `verbose` everything that was skipped.
    """

    file: Path | None = None
    quiet: bool = False
    verbose: bool = False

    @property
    def style(self) -> Style:
        """Colour for results; none in a file."""
        return Style(enabled=False) if self.file else style_for(sys.stdout)

    @property
    def width(self) -> int:
        """Columns to wrap prose at."""
        return 80 if self.file else terminal_width(sys.stdout)

    def result(self, text: str | bytes) -> None:
        """Write a result. Bytes go out as they are.

        Raises:
            InputError: where the file can't be written.
        """
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        if self.file is not None:
            write_file(self.file, data)
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def note(self, text: str = "") -> None:
        """Say something beside the result."""
        if not self.quiet:
            write_error_line(text)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; into what is no plain file (a pipe, /dev/null) directly.

    Raises:
        InputError: where it can't be written.
    """
    import tempfile  # noqa: PLC0415 - most runs write to stdout

    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(data)
                file.flush()
                temporary.chmod(mode)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from None


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_error_line(text: str) -> None:
    """A line on stderr, whatever its encoding can't say escaped."""
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()


def say_error(message: str, hint: str = "") -> None:
    """One line on stderr, and one with the hint."""
    style = style_for(sys.stderr)
    write_error_line(f"{style('error:', 'red', 'bold')} {message}")
    if hint:
        write_error_line(style(f"  {hint}", "dim"))


class Progress:
    """A line on stderr that counts files, on a terminal and only where a run takes long enough to wonder."""

    def __init__(self, verb: str, *, quiet: bool, stream: TextIO | None = None) -> None:
        self.verb = verb
        self.stream = stream or sys.stderr
        self.wanted = not quiet and self.stream.isatty()
        self.started = self.last = time.monotonic()
        self.written = False

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` are behind us."""
        if not self.wanted:
            return
        now = time.monotonic()
        if now - self.started >= _PROGRESS_AFTER and now - self.last >= _PROGRESS_EVERY:
            self.last = now
            self.written = True
            self.stream.write(f"\r\x1b[2K{self.verb} {done}/{total}")
            self.stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.written:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()
            self.written = False
