"""setup.cfg: the requirements in it, where setuptools looks for them."""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.pins import pin_in
from vllm_migrate.files.suppressions import suppressions
from vllm_migrate.files.text import as_latin1, newline_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from vllm_migrate.files.located import Pin

_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_SECTION = re.compile(r"\[([^\]\n]+)\]")
_OPTION = re.compile(r"([^\s=:#;\[][^=:\n]*?)[ \t]*[=:][ \t]*")
_REQUIRES = frozenset({"install_requires", "setup_requires", "tests_require"})


def read_setup_cfg(path: PurePosixPath, source: bytes) -> FileFacts:
    """The pins of a setup.cfg.

    Raises:
        InputError: where `configparser` can't read it.
    """
    text = as_latin1(source)
    try:
        configparser.RawConfigParser(strict=False).read_string(source.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start})") from None
    except configparser.ParsingError as error:  # a line before the first section is one, too
        line = getattr(error, "lineno", None) or error.errors[0][0]
        raise InputError(f"line {line}: not an option, a section or a continued value") from None
    except configparser.Error as error:
        raise InputError(f"not valid: {' '.join(error.message.split())}") from None
    return FileFacts(
        path=path,
        kind=FileKind.SETUP_CFG,
        source=source,
        newline=newline_of(source),
        pins=tuple(_pins(text, 3 if text.startswith("\xef\xbb\xbf") else 0)),
        suppressions=suppressions(source),
    )


def _pins(text: str, at: int) -> Iterator[Pin]:
    section, wanted = "", False
    while at < len(text):
        line = _LINE.match(text, at)
        assert line is not None  # noqa: S101 (it matches anything)
        start, end = line.span()
        at = end
        bare = line.group().strip()
        if not bare or bare[0] in "#;":
            continue
        if not line.group()[0].isspace():
            header, option = _SECTION.match(text, start, end), _OPTION.match(text, start, end)
            if header is not None:
                section, wanted = header[1].strip(), False
                continue
            name = option[1].strip().lower().replace("-", "_") if option is not None else ""
            wanted = section == "options.extras_require" or (section == "options" and name in _REQUIRES)
            start = option.end() if option is not None else end
        if wanted:
            start += len(text[start:end]) - len(text[start:end].lstrip())
            pin = pin_in(text, start, start + len(text[start:end].rstrip()))
            if pin is not None:
                yield pin
