"""The planner: which findings' edits are made in a file, and what the file is then.

A finding's edits are made all or none. Findings that change the same bytes don't go together: the first one
wins, the others are refused with a reason and may be applied in a next round. The result is verified before
it is handed out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits import model as edits
from vllm_migrate.edits.model import Finding, Safety, Splice
from vllm_migrate.edits.splice import OverlapError, apply_splices
from vllm_migrate.errors import InputError
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts

_Refused = tuple[Finding, str]


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What happens to one file.

    Attributes:
        before, after: its bytes; equal where nothing applies.
        splices: the changes, in order, as byte offsets into `before`.
        applied: findings whose edits are made; `refused` the others that have edits, each with its reason.
    """

    path: PurePosixPath
    before: bytes
    after: bytes
    splices: tuple[Splice, ...] = ()
    applied: tuple[Finding, ...] = ()
    refused: tuple[_Refused, ...] = ()


def plan_file(facts: FileFacts, findings: Sequence[Finding], *, unsafe: bool) -> FilePlan:
    """Plan the edits of one file.

    Args:
        facts: the file as it was read.
        findings: of this file; those without edits, or not safe enough, are passed over.
        unsafe: make the edits that need a reader, too.
    """
    wanted = [f for f in findings if f.edits and _allowed(f, unsafe=unsafe)]
    wanted.sort(key=lambda f: (f.span, f.code))
    if facts.unread:
        why = f"not all of {facts.path.name} can be read"
        return FilePlan(facts.path, facts.source, facts.source, refused=tuple((f, why) for f in wanted))
    if facts.parts:
        from vllm_migrate.edits.parts import plan_parts  # noqa: PLC0415 (most files have none)

        return plan_parts(facts, wanted)
    chosen, refused = _compatible(wanted)
    if not chosen:
        return FilePlan(facts.path, facts.source, facts.source, refused=tuple(refused))
    plan = (_plan_python if facts.kind is FileKind.PYTHON else plan_text)(facts, chosen)
    return FilePlan(plan.path, plan.before, plan.after, plan.splices, plan.applied, (*refused, *plan.refused))


def _allowed(finding: Finding, *, unsafe: bool) -> bool:
    return finding.safety is Safety.SAFE or (unsafe and finding.safety is Safety.UNSAFE)


# Which findings go together


def _compatible(findings: Iterable[Finding]) -> tuple[list[Finding], list[_Refused]]:
    """Findings whose edits don't touch, first come first served, and the others."""
    chosen: list[Finding] = []
    refused: list[_Refused] = []
    taken: list[tuple[Span, edits.Edit, Finding]] = []
    for finding in findings:
        claims = [(span, edit) for edit in finding.edits for span in _claims(edit)]
        clash = next(
            (
                other
                for span, edit in claims
                for held, held_edit, other in taken
                if edit != held_edit and _clash(span, edit, held, held_edit)
            ),
            None,
        )
        if clash is not None:
            refused.append((finding, f"its edit touches one of {clash.code}, which was applied first"))
            continue
        chosen.append(finding)
        taken += [(span, edit, finding) for span, edit in claims]
    return chosen, refused


def _claims(edit: edits.Edit) -> tuple[Span, ...]:
    """The bytes an edit claims; an empty span is a place it writes to without claiming what is there."""
    if isinstance(edit, edits.AddArgument):
        return (Span(edit.call.end - 1, edit.call.end - 1),)
    if isinstance(edit, edits.AddImport):
        return (Span(edit.near.end, edit.near.end),) if edit.near is not None else ()
    if isinstance(edit, edits.InsertStatement):
        place = edit.anchor.start if edit.before else edit.anchor.end
        return (Span(place, place),)
    if isinstance(edit, edits.RemoveWithItem):
        return (edit.item,)
    if isinstance(edit, edits.SetBases):
        return (Span(edit.span.start, edit.span.start + 1),)
    if isinstance(edit, edits.WrapInMain):
        return (Span(edit.first.start, edit.first.start),)
    return (edit.span,)


def _clash(one: Span, one_edit: edits.Edit, other: Span, other_edit: edits.Edit) -> bool:
    if isinstance(one_edit, edits.AddArgument) and isinstance(other_edit, edits.AddArgument):
        same_call = one_edit.call == other_edit.call
        return same_call and one_edit.name == other_edit.name and one_edit.value != other_edit.value
    if isinstance(one_edit, edits.WrapInMain) and isinstance(other_edit, edits.WrapInMain):
        return True
    if one.start == one.end and other.start == other.end:
        return False
    if one.start == one.end or other.start == other.end:
        place, span = (one.start, other) if one.start == one.end else (other.start, one)
        return span.start < place < span.end
    return one.start < other.end and other.start < one.end


# Files of other kinds: plain splices


def plan_text(facts: FileFacts, findings: Sequence[Finding]) -> FilePlan:
    """The plan for findings whose edits replace text and nothing else."""
    splices: list[Splice] = []
    applied: list[Finding] = []
    refused: list[_Refused] = []
    for finding in findings:
        if not all(isinstance(e, edits.ReplaceText) for e in finding.edits):
            refused.append((finding, f"only text can be replaced in a {facts.kind.value} file"))
            continue
        own = [
            Splice(e.span.start, e.span.end, e.text.encode(facts.encoding))
            for e in finding.edits
            if isinstance(e, edits.ReplaceText)
        ]
        new = [s for s in own if s not in splices]
        try:
            apply_splices(facts.source, [*splices, *new])
        except OverlapError as error:
            refused.append((finding, str(error)))
            continue
        splices += new
        applied.append(finding)
    splices.sort(key=lambda s: (s.start, s.end))
    after = apply_splices(facts.source, splices)
    return FilePlan(facts.path, facts.source, after, tuple(splices), tuple(applied), tuple(refused))


# Python files: the codemod


def _plan_python(facts: FileFacts, findings: Sequence[Finding]) -> FilePlan:
    """All findings in one pass; one by one where that fails, so that one bad edit doesn't cost the others."""
    try:
        splices, after = _edited(facts, findings)
    except _CannotEditError as error:
        if len(findings) == 1:
            return FilePlan(facts.path, facts.source, facts.source, refused=((findings[0], str(error)),))
    else:
        return FilePlan(facts.path, facts.source, after, splices, tuple(findings))
    plan = FilePlan(facts.path, facts.source, facts.source)
    applied: list[Finding] = []
    refused: list[_Refused] = []
    for finding in findings:
        try:
            splices, after = _edited(facts, [*applied, finding])
        except _CannotEditError as error:  # noqa: PERF203 (each finding is judged by itself here)
            refused.append((finding, str(error)))
        else:
            applied.append(finding)
            plan = FilePlan(facts.path, facts.source, after, splices)
    return FilePlan(plan.path, plan.before, plan.after, plan.splices, tuple(applied), tuple(refused))


class _CannotEditError(Exception):
    """The findings can't be applied together; the message says why."""


def _edited(facts: FileFacts, findings: Sequence[Finding]) -> tuple[tuple[Splice, ...], bytes]:
    """The splices for all these findings, and the verified result."""
    # Imported here: libcst costs more to import than most checks take.
    from vllm_migrate.edits.blocks import RefusedError  # noqa: PLC0415 (see above)
    from vllm_migrate.edits.codemod import Codemod  # noqa: PLC0415 (see above)
    from vllm_migrate.edits.render import splices_of  # noqa: PLC0415 (see above)
    from vllm_migrate.files.positions import SourceText, UnreadableTextError  # noqa: PLC0415 (see above)

    try:
        text = SourceText(facts.source, facts.encoding)
        codemod = Codemod(text)
        for finding in findings:
            for edit in finding.edits:
                codemod.add(edit)
        splices = splices_of(text, codemod)
        after = apply_splices(facts.source, splices)
    except (RefusedError, OverlapError, UnreadableTextError, UnicodeEncodeError) as error:
        raise _CannotEditError(str(error)) from None
    except RecursionError:
        raise _CannotEditError("the file is nested too deeply to be edited") from None
    _verify(facts, after)
    return splices, after


def _verify(facts: FileFacts, after: bytes) -> None:
    from vllm_migrate.files.python import parse_python  # noqa: PLC0415 (only Python files need a parser)

    try:
        parse_python(facts.path, after)
    except InputError as error:
        raise _CannotEditError(f"the edited file would not parse: {error.message}") from None
