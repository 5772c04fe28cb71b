"""Edits in files inside files: planned in the part, written into the file around it, verified by reading.

What is written must, read again, give exactly the parts that were planned. An edit for which it doesn't is
refused with a reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import InsertStatement, Splice
from vllm_migrate.edits.plan import FilePlan, plan_file, plan_text
from vllm_migrate.edits.splice import OverlapError, apply_splices, minimal_splices
from vllm_migrate.errors import InputError
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.dockerfile import SERVER
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.files.shell_lines import joined_line
from vllm_migrate.files.shell_words import words_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.parts import Part


class _RefusedError(Exception):
    """The findings can't be applied together; the message says why."""


@dataclass(frozen=True, slots=True)
class _PartPlan:
    """What happens to one part: its splices, or that it goes as a whole."""

    splices: tuple[Splice, ...] = ()
    gone: bool = False


def plan_parts(facts: FileFacts, findings: Sequence[Finding]) -> FilePlan:
    """Plan edits in a file that has parts: all in one go, one by one where that fails.

    Args:
        facts: the file.
        findings: those whose edits are to be made, in the file itself and in its parts.
    """
    try:
        return _planned(facts, findings)
    except _RefusedError as error:
        if len(findings) == 1:
            return FilePlan(facts.path, facts.source, facts.source, refused=((findings[0], str(error)),))
    plan = FilePlan(facts.path, facts.source, facts.source)
    refused: list[tuple[Finding, str]] = []
    for finding in findings:
        try:
            wider = _planned(facts, [*plan.applied, finding])
        except _RefusedError as error:  # noqa: PERF203 (each finding is judged by itself here)
            refused.append((finding, str(error)))
        else:
            refused += wider.refused
            plan = wider
    return FilePlan(plan.path, plan.before, plan.after, plan.splices, plan.applied, tuple(refused))


def _planned(facts: FileFacts, findings: Sequence[Finding]) -> FilePlan:
    own = plan_text(facts, [finding for finding in findings if finding.inside is None])
    applied, refused = list(own.applied), list(own.refused)
    plans: dict[int, _PartPlan] = {}
    for index, part in enumerate(facts.parts):
        chosen = [f for f in findings if f.inside is not None and f.inside[0] == index]
        if not chosen:
            continue
        outer = {id(f.inside[1]): f for f in chosen if f.inside is not None}
        plan = plan_file(part.facts, [f.inside[1] for f in chosen if f.inside is not None], unsafe=True)
        applied += [outer[id(finding)] for finding in plan.applied]
        refused += [(outer[id(finding)], reason) for finding, reason in plan.refused]
        if plan.after != plan.before:
            plans[index] = _part_plan(part, plan)
    if not plans:
        return FilePlan(own.path, own.before, own.after, own.splices, tuple(applied), tuple(refused))
    changes = list(own.splices)
    for index, part_plan in plans.items():
        changes += _outward(facts.parts[index], part_plan)
    splices = _file_splices(facts, changes)
    try:
        after = apply_splices(facts.source, splices)
    except OverlapError as error:
        raise _RefusedError(str(error)) from None
    _verify(facts, after, _expected(facts.parts, plans))
    return FilePlan(facts.path, facts.source, after, splices, tuple(applied), tuple(refused))


def _part_plan(part: Part, plan: FilePlan) -> _PartPlan:
    facts = part.facts
    after = plan.after
    if facts.kind is FileKind.YAML:
        from vllm_migrate.files.yaml_mend import fill_emptied  # noqa: PLC0415 - only where there is YAML in a part

        after = fill_emptied(facts.source, after)
    if facts.kind is FileKind.SHELL and (line := joined_line(facts.source, after)):
        raise _RefusedError(f"the edit would join line {line} to the command before it")
    if not after.strip() or (part.words and part.whole is not None and after.strip() == SERVER):
        if part.whole is None:
            raise _RefusedError("nothing would be left where something has to stand")
        return _PartPlan(gone=True)
    splices = plan.splices
    if after != plan.after or not splices:
        splices = tuple(
            Splice(len(before[:start].encode()), len(before[:end].encode()), text.encode())
            for before in [facts.source.decode()]
            for start, end, text in minimal_splices(before, after.decode())
        )
    return _PartPlan(_inside_cells(part, splices, plan.applied) if part.borders else splices)


def _inside_cells(part: Part, splices: Iterable[Splice], applied: Iterable[Finding]) -> tuple[Splice, ...]:
    """The same change with splices that don't reach over the newline between two cells.

    "x = 1⏎" taken out at the end of a cell is "⏎x = 1" taken out, where the newline before it is the cell's.
    """
    source = part.facts.source
    starts = {*part.borders, len(source)}
    first = {
        edit.anchor.start
        for finding in applied
        for edit in finding.edits
        if isinstance(edit, InsertStatement) and edit.before
    }
    found: list[Splice] = []
    for splice in splices:
        start, end, text = splice.start, splice.end, splice.text
        within = max(
            (b for b in part.borders if start < b < end and not source[start:b].strip()), default=start
        )
        start = start if text else within  # blank lines at the end of the cell above are not this one's
        if end in starts and not (start == end and end in first):
            start, end, text = _before_newline(source, start, end, text, starts)
        if any(start < border <= end for border in starts):
            raise _RefusedError("the edit would reach over the end of a cell")
        found.append(Splice(start, end, text))
    return tuple(found)


def _before_newline(
    source: bytes, start: int, end: int, text: bytes, starts: set[int]
) -> tuple[int, int, bytes]:
    """A splice that ends behind the newline of a cell as one that ends before it, where there is one."""
    if start == end:
        # Behind a magic there is no Python to go on with: then it stands in the cell that follows.
        movable = text.endswith(b"\n") and not source[: end - 1].endswith(b"None")
        return (end - 1, end - 1, b"\n" + text[:-1]) if movable else (start, end, text)
    if text:
        return (start, end - 1, text[:-1]) if text.endswith(b"\n") else (start, end, text)
    if start > 0 and start not in starts and source[start - 1 : start] == b"\n":
        return start - 1, end - 1, b""
    return start, end - 1, b""  # all that the cell holds


def _outward(part: Part, plan: _PartPlan) -> list[Splice]:
    """The splices of a part as those of the file around it, their text not yet as that file writes it."""
    if plan.gone:
        assert part.whole is not None  # noqa: S101 (it could not go otherwise)
        return [Splice(part.whole.start, part.whole.end, b"")]
    found = []
    source = part.facts.source
    for splice in plan.splices:
        span = Span(splice.start, splice.end)
        first = next((s.at for s in part.segments if s.start < s.end), 0)
        if part.words and not splice.text and span.start < first and source[span.end : span.end + 1] == b" ":
            span = Span(span.start + 1, span.end + 1)  # the first word goes with the blank behind it
        place = part.outward(span)
        text = _as_words(splice.text) if part.words else splice.text
        found.append(Splice(place.start, place.end, text))
    return found


def _as_words(text: bytes) -> bytes:
    """Shell words as they follow each other in a JSON array, without the outermost quotes."""
    latin = text.decode("latin-1")
    words = words_within(latin, 0, len(latin))
    return b'", "'.join(
        json.dumps(word.bare.encode("latin-1").decode(), ensure_ascii=False)[1:-1].encode() for word in words
    )


def _file_splices(facts: FileFacts, changes: Sequence[Splice]) -> tuple[Splice, ...]:
    if facts.kind is FileKind.NOTEBOOK:
        from vllm_migrate.edits.notebook import cell_splices  # noqa: PLC0415 - only where a notebook changes

        return cell_splices(facts.source, changes)
    return tuple(sorted(changes, key=lambda splice: (splice.start, splice.end)))


def _expected(parts: Sequence[Part], plans: dict[int, _PartPlan]) -> list[bytes]:
    """The text of every part that is left, after the edits."""
    gone = [parts[index].whole for index, plan in plans.items() if plan.gone]
    expected = []
    for index, part in enumerate(parts):
        plan = plans.get(index, _PartPlan())
        if plan.gone:
            continue
        masks = [
            Splice(span.start, span.end, b"") for whole in gone if whole and (span := _inward(part, whole))
        ]
        try:
            expected.append(apply_splices(part.facts.source, [*plan.splices, *masks]))
        except OverlapError as error:
            raise _RefusedError(str(error)) from None
    return expected


def _inward(part: Part, whole: Span) -> Span | None:
    """What a part has of a range of the file around it."""
    inside = [s for s in part.segments if whole.start <= s.start and s.end <= whole.end and s.start < s.end]
    return Span(inside[0].at, inside[-1].at + inside[-1].size) if inside else None


def _verify(facts: FileFacts, after: bytes, expected: list[bytes]) -> None:
    try:
        again = read_file(facts.path, facts.kind, after, None, None)
    except InputError as error:
        raise _RefusedError(f"the edited file could not be read: {error.message}") from None
    if [part.facts.source for part in again.parts] != expected:
        raise _RefusedError("what is written there can't hold the edited code")
