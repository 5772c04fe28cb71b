"""Requirements on packages as they are written everywhere: `vllm[audio]>=0.8,<0.9 ; marker`."""

from __future__ import annotations

import re

from vllm_migrate.files.located import Pin, Span

_CLAUSE = r"(?:===?|~=|!=|<=|>=|<|>)\s*[\w.*+!-]+"
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)"
    r"(?P<gap>\s*(?:\[(?P<extras>[^\]\n]*)\])?)\s*"
    rf"(?P<open>\(\s*)?(?P<specifier>{_CLAUSE}(?:\s*,\s*{_CLAUSE})*)?(?P<tail>\s*,)?\s*(?(open)\))"
    r"(?=\s*(?:;|\\|$|#|--|@))"
)
_NAME_SEPARATORS = re.compile(r"[-_.]+")


def canonical(name: str) -> str:
    """A package's name as the index spells it."""
    return _NAME_SEPARATORS.sub("-", name).lower()


def pin_in(text: str, start: int, end: int) -> Pin | None:
    """The requirement written in `text[start:end]`, or None where that is none.

    Offsets into `text` are byte offsets (it is read as latin-1). A direct reference (`vllm @ https://...`) is
    a pin without specifier.
    """
    match = _REQUIREMENT.match(text, start, end)
    if match is None:
        return None
    extras = tuple(part.strip() for part in (match["extras"] or "").split(",") if part.strip())
    name = canonical(match["name"])
    bare = start + len(text[start : match.end("gap")].rstrip())
    if match["specifier"] is None:
        return Pin(name, "", Span(start, bare), Span(bare, bare), extras)
    place = Span(match.start("specifier"), match.end("specifier"))
    whole = start + len(match.group().rstrip())
    return Pin(name, match["specifier"], Span(start, whole), place, extras)
