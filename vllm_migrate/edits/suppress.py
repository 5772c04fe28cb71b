"""Which suppression comments silence a finding.

That a comment silences nothing is a finding, too (VM004). Only its own code silences that: every useless
comment would silence the finding about itself otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.files.suppressions import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vllm_migrate.edits.model import Finding, Position

UNUSED = "VM004"
"""The code of the finding that a comment silences nothing."""


def is_suppressed(finding: Finding, position: Position, silenced: Mapping[int, Iterable[str]]) -> bool:
    """Whether a comment on the finding's first or last line silences it.

    An end at the start of a line (a span that takes a line's newline along) does not reach that line.
    """
    return bool(silencing(finding, position, silenced))


def silencing(finding: Finding, position: Position, silenced: Mapping[int, Iterable[str]]) -> list[str]:
    """The codes in comments that silence a finding."""
    last = position.end_line - (position.end_column == 1 and position.end_line > position.line)
    codes = [code for line in {position.line, last} for code in silenced.get(line, ())]
    if finding.code == UNUSED:
        return [code for code in codes if code == UNUSED]
    return [code for code in codes if code == ALL or finding.code.startswith(code)]
