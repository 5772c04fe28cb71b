"""The rewrite: from findings to edited files, each verified before it is written.

A file is planned until planning again changes nothing, so that a second run has nothing to do; then the
result is read once more by its adapter. Only a file that passes both is written, atomically. Otherwise it
stays as it was, with the reason.

A requirement moves last. It is what says which release the code was written for, and what is silent on the
target shows only against that release: as long as warnings or errors remain, the requirement stays, and the
next check still finds them.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from vllm_migrate.edits.diagnostic import REFUSED, Diagnostic
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.errors import InputError
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.shell_lines import joined_line
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.edits.plan import FilePlan
    from vllm_migrate.files.discover import SourceFile
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.scan import Judge, ScanResult

_SAYS_THE_SOURCE = "VM901"
_LAST = (
    "rewrite again once the other warnings and errors are mended or silenced: until then it says what "
    "release the code was written for, against which alone they show"
)
_ROUNDS = 6
"""Edits that touch each other wait for the next round; rounds beyond a few mean two edits undo each other."""


@dataclass(frozen=True, slots=True)
class RewriteResult:
    """What a rewrite did, or under `--diff` would do.

    Attributes:
        plans: the files that change, each with its bytes before and after.
        applied: the findings whose edits are in them.
        remaining: what is left, with places in the files as they are now on disk; `facts` of those files.
        refused: edits that could not be made safely, and files that could not be written.
        failed: a file that should have been written was not.
    """

    plans: tuple[FilePlan, ...]
    applied: tuple[Finding, ...]
    remaining: tuple[Finding, ...]
    refused: tuple[Diagnostic, ...]
    facts: Mapping[PurePosixPath, FileFacts] = field(default_factory=dict)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    plan: FilePlan
    remaining: tuple[Finding, ...]
    facts: FileFacts


def rewrite(
    scanned: ScanResult,
    *,
    unsafe: bool,
    write: bool,
    progress: Callable[[int, int], None] | None = None,
    guard: Callable[[Sequence[Path]], None] | None = None,
) -> RewriteResult:
    """Plan, verify and, where asked to, write the edits of a scan's findings.

    All is planned before anything is written.

    Args:
        scanned: the scan; its `judge` is asked again about the edited files.
        unsafe: apply the edits that need a reader, too.
        write: change the files; otherwise only plan.
        progress: called with how many files are done, of how many.
        guard: called with the files that are about to be written; what it raises leaves all of them alone.
    """
    refused: list[Diagnostic] = []
    planned = _planned(scanned, refused, unsafe=unsafe, progress=progress)
    failed = bool(refused)
    moved = [path for path, outcome in planned.items() if _moves_the_source(outcome.plan)]
    judge = scanned.judge
    held = bool(moved) and _remains(scanned, planned)
    if held and judge is not None:
        for path in moved:
            planned[path] = _settled(
                scanned.facts[path],
                [finding for finding in scanned.findings if finding.path == path],
                judge,
                unsafe=unsafe,
                held=_SAYS_THE_SOURCE,
            )
    changed = {
        path: outcome for path, outcome in planned.items() if outcome.plan.after != outcome.plan.before
    }
    for path, outcome in planned.items():
        refused += [Diagnostic(REFUSED, path, reason) for reason in _reasons(outcome.plan)]
    places = {file.relative: file for file in scanned.files}
    if write and guard is not None and changed:
        guard([places[path].path for path in changed if places[path].content is None])
    plans: list[FilePlan] = []
    applied: list[Finding] = []
    remaining: list[Finding] = []
    facts = dict(scanned.facts)
    for path, findings in _by_file(scanned.findings).items():
        if path not in changed:
            remaining += findings
            continue
        outcome = changed[path]
        if write:
            try:
                _write(places[path], outcome.plan)
            except InputError as error:
                refused.append(_left(path, error))
                failed = True
                remaining += findings
                continue
        plans.append(outcome.plan)
        applied += outcome.plan.applied
        if write:
            facts[path] = outcome.facts
            remaining += outcome.remaining
        else:
            done_with = {(finding.code, finding.span) for finding in outcome.plan.applied}
            remaining += [finding for finding in findings if (finding.code, finding.span) not in done_with]
    if held:
        remaining = [_kept_back(finding) if finding.path in moved else finding for finding in remaining]
    return RewriteResult(tuple(plans), tuple(applied), tuple(remaining), tuple(refused), facts, failed)


def _planned(
    scanned: ScanResult,
    refused: list[Diagnostic],
    *,
    unsafe: bool,
    progress: Callable[[int, int], None] | None,
) -> dict[PurePosixPath, _Outcome]:
    """What becomes of each file with an edit; the files where that can't be said go to `refused`."""
    planned: dict[PurePosixPath, _Outcome] = {}
    by_file = _by_file(scanned.findings)
    for done, (path, findings) in enumerate(by_file.items(), start=1):
        if progress:
            progress(done, len(by_file))
        if not any(_wanted(finding, unsafe=unsafe) for finding in findings) or scanned.judge is None:
            continue
        try:
            planned[path] = _settled(scanned.facts[path], findings, scanned.judge, unsafe=unsafe)
        except InputError as error:
            refused.append(_left(path, error))
    return planned


def _moves_the_source(plan: FilePlan) -> bool:
    return any(finding.code == _SAYS_THE_SOURCE for finding in plan.applied)


def _kept_back(finding: Finding) -> Finding:
    """A requirement that has an edit, and why it is not made yet."""
    if finding.code != _SAYS_THE_SOURCE or not finding.edits:
        return finding
    return replace(finding, safety=Safety.MANUAL, edits=(), precondition="", advice=_LAST)


def _remains(scanned: ScanResult, planned: Mapping[PurePosixPath, _Outcome]) -> bool:
    """Whether warnings or errors are left once all is written, requirements aside."""
    left = [finding for outcome in planned.values() for finding in outcome.remaining]
    left += [finding for finding in scanned.findings if finding.path not in planned]
    return any(f.level >= Level.WARNING and f.code != _SAYS_THE_SOURCE for f in left)


def _left(path: PurePosixPath, error: InputError) -> Diagnostic:
    return Diagnostic(REFUSED, path, f"left as it was: {error.message}")


def _by_file(findings: Iterable[Finding]) -> dict[PurePosixPath, list[Finding]]:
    grouped: dict[PurePosixPath, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.path, []).append(finding)
    return grouped


def _wanted(finding: Finding, *, unsafe: bool) -> bool:
    return bool(finding.edits) and (
        finding.safety is Safety.SAFE or (unsafe and finding.safety is Safety.UNSAFE)
    )


def _settled(
    facts: FileFacts, findings: Iterable[Finding], judge: Judge, *, unsafe: bool, held: str = ""
) -> _Outcome:
    """Plan until nothing changes any more.

    Args:
        facts: the file as it was read.
        findings: of this file.
        judge: looks at it again after it was edited.
        unsafe: make the edits that need a reader, too.
        held: the code of findings whose edits are not made.

    Raises:
        InputError: where an edited file can't be read again, or the edits never settle.
    """
    from vllm_migrate.edits.plan import plan_file  # noqa: PLC0415 - libcst and what it needs are loaded with the first edit

    before = facts.source
    first: FilePlan | None = None
    found = tuple(findings)
    applied: tuple[Finding, ...] = ()
    for _ in range(_ROUNDS):
        plan = plan_file(facts, [one for one in found if one.code != held], unsafe=unsafe)
        after = _mended(facts, plan.after)
        first = first or plan
        if after == facts.source:
            settled = first if first.after == after else replace(first, after=after, splices=())
            return _Outcome(
                replace(settled, before=before, applied=applied, refused=plan.refused), found, facts
            )
        applied += plan.applied
        if facts.kind is FileKind.SHELL and (line := joined_line(facts.source, after)):
            raise InputError(f"the edit would join line {line} to the command before it")
        try:
            facts = judge.read(facts.path, facts.kind, after)
        except InputError as error:
            raise InputError(f"the edited file could not be read: {error.message}") from None
        found = tuple(judge.findings(facts)[0])
    raise InputError("the edits undo each other")


def _mended(facts: FileFacts, after: bytes) -> bytes:
    if facts.kind is not FileKind.YAML or after == facts.source:
        return after
    from vllm_migrate.files.yaml_mend import fill_emptied  # noqa: PLC0415 - libcst and what it needs are loaded with the first edit

    return fill_emptied(facts.source, after)


def _reasons(plan: FilePlan) -> list[str]:
    return [f"{finding.code} not edited: {reason}" for finding, reason in plan.refused]


def _write(file: SourceFile, plan: FilePlan) -> None:
    """Write the file a link leads to, not the link. Content that was handed in is not on disk."""
    if file.content is not None:
        return
    from vllm_migrate.edits.apply import write_atomically  # noqa: PLC0415 - libcst and what it needs are loaded with the first edit

    try:
        write_atomically(file.path.resolve(), plan.before, plan.after)
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror}") from None
