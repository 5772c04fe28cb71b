"""Reads a Python file: bytes to a syntax tree with byte positions."""

from __future__ import annotations

import ast
import gc
import warnings
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.positions import SourceText, UnreadableTextError, python_encoding
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from pathlib import PurePosixPath


_COLLECT_AFTER = 4 * 1024**2
"""Bytes of source after which unused syntax trees are collected; they take about forty times as much."""

_parsed_bytes = 0


@dataclass(frozen=True, slots=True)
class ParsedPython:
    """A Python file that could be read.

    Attributes:
        text: the bytes with their decoding; `module` the syntax tree.
    """

    path: PurePosixPath
    text: SourceText
    module: ast.Module


def parse_python(path: PurePosixPath, source: bytes) -> ParsedPython:
    """Decode and parse a file.

    Raises:
        InputError: where it is no text in its declared encoding, or no Python this interpreter understands.
    """
    try:
        text = SourceText(source, python_encoding(source))
    except UnreadableTextError as error:
        raise InputError(f"{path}: {error}", hint="save it as UTF-8 or declare its encoding") from None
    _collect_garbage(len(source))
    try:
        return ParsedPython(path, text, parse_text(text.text))
    except SyntaxError as error:
        raise InputError(
            f"{path}:{error.lineno or 1}: syntax error: {error.msg}",
            hint="nothing in this file was judged; exclude it or mend it",
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        # Python's parser reports both where brackets or operators are nested by the thousand.
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise InputError(
            f"{path}: cannot be parsed: {reason}",
            hint="nothing in this file was judged; exclude it or mend it",
        ) from None


def _collect_garbage(size: int) -> None:
    """Keep memory bounded where the collector is switched off, see `vllm_migrate.__main__`."""
    global _parsed_bytes  # noqa: PLW0603 - how much garbage there may be is the process's, not a caller's
    _parsed_bytes += size
    if _parsed_bytes > _COLLECT_AFTER:
        _parsed_bytes = 0
        gc.collect()


def parse_text(text: str | bytes) -> ast.Module:
    """`ast.parse` without the warnings about the user's escapes, which are no business of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)
