"""Requirements and constraints files: one pin a line, with extras, markers, hashes and options left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.pins import pin_in
from vllm_migrate.files.suppressions import suppressions
from vllm_migrate.files.text import as_latin1, newline_of

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.files.located import Pin


def read_requirements(path: PurePosixPath, source: bytes) -> FileFacts:
    """The pins of a requirements file. Lines that are options, URLs or paths hold none.

    Raises:
        InputError: where the bytes are no text.
    """
    text = as_latin1(source)
    pins: list[Pin] = []
    at = 3 if text.startswith("\xef\xbb\xbf") else 0
    continued = False
    for line in text[at:].split("\n"):
        end = at + len(line)
        start = at + len(line) - len(line.lstrip())
        if not continued and line.strip() and line.lstrip()[0] not in "#-./":
            pin = pin_in(text, start, _code_end(text, start, end))
            if pin is not None:
                pins.append(pin)
        continued = line.rstrip("\r").endswith("\\")
        at = end + 1
    return FileFacts(
        path=path,
        kind=FileKind.REQUIREMENTS,
        source=source,
        newline=newline_of(source),
        pins=tuple(pins),
        suppressions=suppressions(source),
    )


def _code_end(text: str, start: int, end: int) -> int:
    """Where a line's comment begins: at a `#` behind a blank."""
    comment = text.find(" #", start, end)
    stop = end if comment < 0 else comment
    return start + len(text[start:stop].rstrip())
