"""What is found in a part of a file, said about the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.files.parts import outward

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts

_LEFT_ALONE = "an example in a document, which is never edited: change it by hand"


def about_the_file(finding: Finding, facts: FileFacts, index: int) -> Finding:
    """A finding in the part `index` as one about the file around it.

    It says the cell where there is one, keeps how it reads in the part for the planner, and becomes a note
    without edits where the part is only shown.
    """
    part = facts.parts[index]
    place = part.place_name(finding.span)
    found = replace(
        finding,
        span=part.outward(finding.span),
        message=f"{place}: {finding.message}" if place else finding.message,
        edits=tuple(outward(edit, part) for edit in finding.edits),
        inside=(index, finding),
    )
    if not part.quoted:
        return found
    return replace(
        found,
        level=Level.NOTE,
        safety=Safety.MANUAL,
        advice=found.advice or _LEFT_ALONE,
        precondition="",
        edits=(),
        inside=None,
    )
