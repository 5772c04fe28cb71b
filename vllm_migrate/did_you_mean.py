"""The hint for a word that is not known: the one that was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """A question that names the nearest known word, or `otherwise` where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - most runs need none of it

    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise
