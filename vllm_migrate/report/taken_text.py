"""What an audit took from the user's code, as a table for the terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from vllm_migrate.audit.code.taken import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vllm_migrate.audit.code.taken import Setting, Taken

_PARTS = {"engine": "engine", "sampling": "sampling", "objective": "objective"}
_LEFT = {
    Fate.PLACE: "left to the audit",
    Fate.REFUSED: "refused by V1",
    Fate.UNRESOLVED: "not resolved",
    Fate.UNSUPPORTED: "not replayed",
}
_WIDEST = 34


def taken_lines(taken: Taken, width: int = 80) -> list[str]:
    """The table: what was taken with the file and line it is written at, what was not, what was assumed."""
    lines = [f"from {taken.site}, {taken.what}:"]
    rows = [one for one in taken.settings if one.fate is Fate.TAKEN]
    if rows:
        names = max(len(one.name) for one in rows)
        values = min(_WIDEST, max(len(_worth(one)) for one in rows))
        part = ""
        for one in rows:
            label = _PARTS.get(one.part, one.part) if one.part != part else ""
            part = one.part
            note = f"  {one.note}" if one.note else "" if one.written else "  not written, a default"
            lines.append(f"  {label:<9} {one.name:<{names}}  {_worth(one):<{values}}  {one.place}{note}")
    else:
        lines.append("  nothing, so the candidate is V1 at its defaults")
    for fate, words in _LEFT.items():
        left = [one for one in taken.settings if one.fate is fate]
        if left:
            lines += _wrapped(f"  {words}: ", ", ".join(_named(one) for one in left), width)
    for line in taken.assumptions:
        lines += _wrapped("  assumed: ", line, width)
    return lines


def _worth(setting: Setting) -> str:
    text = str(setting.value) if isinstance(setting.value, str) else repr(setting.value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def _named(setting: Setting) -> str:
    name = setting.name or setting.written
    why = f": {setting.note}" if setting.note and setting.fate is not Fate.PLACE else ""
    return f"{name} ({setting.at.path.name}:{setting.at.line}{why})"


def _wrapped(head: str, text: str, width: int) -> Iterator[str] | Sequence[str]:
    return textwrap.wrap(
        head + text, width, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
