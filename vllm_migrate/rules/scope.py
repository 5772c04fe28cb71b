"""Which names are in sight at a place of a Python file, as far as functions decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span


def is_visible(file: FileFacts, binding: Span, use: Span) -> bool:
    """Whether every function around a binding is around a use, too, so that the name can be seen there."""
    first, second = _line(file, binding), _line(file, use)
    return all(start <= second <= end for start, end in file.functions if start <= first <= end)


def _line(file: FileFacts, span: Span) -> int:
    before = file.source[: span.start]
    return len(before.splitlines()) + (not before or before.endswith((b"\n", b"\r")))
