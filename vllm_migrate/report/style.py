"""Colour for the terminal, by escape codes: importing rich takes longer than checking a small project.

And what else any text for a terminal needs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "bold": "1", "dim": "2"}


@dataclass(frozen=True, slots=True)
class Style:
    """Wraps text in colour, or leaves it as it is."""

    enabled: bool

    def __call__(self, text: str, *names: str) -> str:
        """`text` in the named colours and weights."""
        if not self.enabled or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def style_for(stream: TextIO) -> Style:
    """Colour on a terminal. `NO_COLOR` switches it off, `FORCE_COLOR` on, as elsewhere; NO_COLOR wins."""
    if os.environ.get("NO_COLOR"):
        return Style(enabled=False)
    if os.environ.get("FORCE_COLOR"):
        return Style(enabled=True)
    return Style(enabled=stream.isatty() and os.environ.get("TERM") != "dumb")


def printable(text: str) -> str:
    """`text` with control characters replaced."""
    if text.isprintable():
        return text
    return "".join(
        char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def terminal_width(stream: TextIO) -> int:
    """Columns to wrap prose at: the terminal's, between 40 and 100; 80 where there is none."""
    if not stream.isatty():
        return 80
    import shutil  # noqa: PLC0415 - only on a terminal

    return max(40, min(100, shutil.get_terminal_size().columns))
