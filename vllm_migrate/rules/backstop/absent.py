"""What the backstop rules share: how bad an absence is, how it is said, and when the code expects it."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level
from vllm_migrate.files.located import Certainty

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.facts.surface.compare import Absence, Comparison
    from vllm_migrate.files.file_facts import FileFacts

_NEAR = 0.8
"""Likeness (difflib's ratio) from which one name is worth proposing for another."""

_SUCCESSORS = 2
"""Places named in a message; further ones are unlikely to be meant."""


def level_of(absence: Absence, certainty: Certainty, *, expected: bool = False) -> Level | None:
    """How an absence is reported; None where it isn't.

    What a release had and the target lacks is an error. What no release before the target had is a
    warning, since the code never ran on one of them; where the reading isn't sure either, or the
    code asks if it is there, nothing is said. What a release had and the code expects to be absent is a note,
    and so is what is only guessed.
    """
    if not absence.last and (expected or certainty is not Certainty.CERTAIN):
        return None
    if expected or certainty is Certainty.GUESS:
        return Level.NOTE
    return Level.ERROR if absence.last else Level.WARNING


def sentence(what: str, absence: Absence, context: Comparison) -> str:
    """What a finding says about an absence."""
    target = context.target
    if absence.last:
        return f"{what} is gone: vLLM {absence.last} had it, {target} does not"
    if absence.later:
        return f"vLLM {target} has no {what}, which comes with {absence.later}"
    return f"vLLM {target} has no {what}, nor has any known release from {context.first} on"


def successors(found: Iterable[str]) -> str:
    """Where something is now, as words; "" where it is nowhere."""
    return " or ".join(list(found)[:_SUCCESSORS])


def near(absence: Absence, name: str, others: Iterable[str]) -> str:
    """The name that may have been meant where no release ever had this one, or ""."""
    if absence.last:
        return ""
    return next(iter(difflib.get_close_matches(name, list(others), 1, _NEAR)), "")


def is_expected(file: FileFacts, name: str) -> bool:
    """Whether the file asks, somewhere, if something of this name is there.

    `hasattr(x, "name")`, `getattr(x, "name", default)`, `"name" in parameters`.
    """
    text = _text(file)
    if not _is_quoted(name, text):
        return False
    quoted = rf"""["']{re.escape(name)}["']"""
    asks = rf"\b(?:hasattr|getattr)\([^()\n]*(?:\([^()\n]*\))?[^()\n]*,\s*{quoted}|{quoted}\s+(?:not\s+)?in\b"
    return re.search(asks, text) is not None


def is_made(file: FileFacts, name: str) -> bool:
    """Whether the file itself gives something an attribute of this name.

    `x.name = ...`, `setattr(x, "name", ...)`.
    """
    text = _text(file)
    if f".{name}" not in text and not _is_quoted(name, text):
        return False
    word = re.escape(name)
    makes = rf"""\.{word}\s*(?::[^=\n]+)?=(?!=)|\bsetattr\([^()\n]+,\s*["']{word}["']"""
    return re.search(makes, text) is not None


def _is_quoted(name: str, text: str) -> bool:
    """Whether a name stands in quotes: quickly asked, and mostly the answer is no."""
    return f'"{name}"' in text or f"'{name}'" in text


def _text(file: FileFacts) -> str:
    return file.source.decode(file.encoding)
