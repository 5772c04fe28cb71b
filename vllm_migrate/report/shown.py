"""Text from outside, made safe to read: nothing in it can hide, reorder, or steer a terminal.

Characters that show nothing or move what stands beside them (control, format and bidirectional ones, lone
surrogates, unassigned ones) are written as the escapes Python would use. Right-to-left letters stay.
"""

from __future__ import annotations

import unicodedata

LONGEST = 2000
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(value: object, *, kept: str = "", longest: int = LONGEST) -> str:
    """`value` as plain text.

    Args:
        value: anything; its `str` is taken.
        kept: hidden characters that stay as they are, such as a line feed.
        longest: characters after which it is cut; how long it was is then said.
    """
    raw = str(value)
    text = raw[:longest]
    if not text.isprintable():
        text = "".join(
            char if char in kept or unicodedata.category(char) not in _HIDDEN else repr(char)[1:-1]
            for char in text
        )
    return f"{text} … ({len(raw):,} characters)" if len(raw) > longest else text


def safe_lines(value: object) -> str:
    """`value` for a terminal: line feeds kept, the rest of what is hidden shown, however long it is."""
    raw = str(value)
    return raw if raw.isprintable() else shown(raw, kept="\n", longest=len(raw))
