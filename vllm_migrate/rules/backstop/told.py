"""Which findings of the backstop say what another rule has said already."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import (
    MoveImport,
    RemoveArgument,
    RemoveImport,
    RemoveStatement,
    RenameArgument,
    ReplaceExpression,
    ReplaceText,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span

_REWRITES = (
    MoveImport,
    RemoveArgument,
    RemoveImport,
    RemoveStatement,
    RenameArgument,
    ReplaceExpression,
    ReplaceText,
)


def is_told(file: FileFacts, finding: Finding, others: Iterable[Finding]) -> bool:
    """Whether one of the other findings is about the same code.

    It stands at the same place, rewrites that place, or lies around it or in it and names what stands there.
    """
    place = finding.span
    words = re.findall(r"\w+", file.text(place))
    for other in others:
        if other.span == place or any(
            isinstance(edit, _REWRITES) and _within(place, edit.span) for edit in other.edits
        ):
            return True
        nested = _within(place, other.span) or _within(other.span, place)
        if nested and words and words[-1] in re.findall(r"\w+", other.message):
            return True
    return False


def _within(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
