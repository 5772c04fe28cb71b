"""Writes what an audit found into the user's code: settings at the construction that was audited.

A plan first, a diff of it, and only then files. Nothing that somebody wrote is overwritten: a setting that
is there with another value is told. Each edited file is read again, and the construction has to come out with
the settings it was to get; otherwise nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.code.from_code import Found, find, found_again
from vllm_migrate.audit.code.sites import changed_tree
from vllm_migrate.audit.code.taken import Fate
from vllm_migrate.audit.code.trl import field_of
from vllm_migrate.edits import settings as adding
from vllm_migrate.edits.apply import write_atomically
from vllm_migrate.edits.diff import unified_diff
from vllm_migrate.edits.git import refuse_uncommitted
from vllm_migrate.edits.model import Finding, Level, Safety
from vllm_migrate.edits.plan import FilePlan, plan_file
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import SETTINGS, FileKind
from vllm_migrate.files.located import Certainty, Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from vllm_migrate.audit.code.taken import Setting
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.resolve.flow.values import Place, Table

_CODE = "AUDIT"


@dataclass(frozen=True, slots=True)
class WriteBack:
    """What would be, or was, written.

    Attributes:
        site: the construction.
        plans: the files that change; `paths` where they are.
        added: the settings that the plans add.
        present: settings that are there already with this value.
        kept: one line for each setting that somebody wrote with another value.
        manual: one line for each setting that a person has to write, and where.
    """

    site: Place
    plans: tuple[FilePlan, ...] = ()
    paths: tuple[Path, ...] = ()
    added: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    manual: tuple[str, ...] = ()

    @property
    def diff(self) -> bytes:
        """The change of all files, as `git diff` prints it."""
        return b"".join(unified_diff(plan.path, plan.before, plan.after) for plan in self.plans)


def plan_write_back(
    places: Sequence[str], settings: Mapping[str, Any], v1: str, *, ordinal: int | None = None
) -> WriteBack:
    """What has to change so that the construction at `places` gets `settings`.

    Args:
        places: as for `read_code`.
        settings: engine arguments by name.
        v1: the candidate engine.
        ordinal: which construction of its file it is, counted from 0, where its line may have moved.

    Raises:
        UsageError: no engine is built there, or several are.
        InputError: a path can't be read.
    """
    found = find(places, v1, ordinal=ordinal)
    written = {one.name: one for one in found.taken.settings if one.part == "engine" and one.name}
    present: list[str] = []
    kept: list[str] = []
    missing: dict[str, Any] = {}
    for name, value in settings.items():
        setting = written.get(name)
        if setting is None:
            missing[name] = value
        elif setting.fate is Fate.TAKEN and setting.value == value:
            present.append(name)
        else:
            kept.append(_kept(setting, name, value))
    made = WriteBack(found.taken.site, present=tuple(present), kept=tuple(kept))
    return _planned(found, missing, made) if missing else made


def _kept(setting: Setting, name: str, value: object) -> str:
    what = f"{name}={setting.value!r}" if setting.fate is Fate.TAKEN else f"{name}={setting.written}"
    return f"{what} was written at {setting.place}; the audit found that it should be {value!r}"


def _planned(found: Found, missing: Mapping[str, Any], made: WriteBack) -> WriteBack:
    """The edits for the settings that are not there, verified; what can't be edited is left to a person."""
    wanted: dict[str, tuple[FileFacts, Edit]] = {}
    for name, value in missing.items():
        target = _edit(found, name, value)
        if target is not None:
            wanted[name] = target
    files = {facts.path: facts for facts, _ in wanted.values()}
    plans: list[FilePlan] = []
    refused: dict[str, str] = {}
    for path, facts in files.items():
        findings = [
            _finding(facts, name, edit) for name, (where, edit) in wanted.items() if where.path == path
        ]
        notebook = found.tree.notebooks.get(path)
        if notebook is None:
            plan = plan_file(facts, findings, unsafe=False)
        else:
            plan = plan_file(notebook, _in_notebook(notebook, findings), unsafe=False)
        refused |= {finding.name: reason for finding, reason in plan.refused}
        if plan.after != plan.before:
            plans.append(plan)
    added = {name: missing[name] for name in wanted if name not in refused}
    if plans and not _holds(found, plans, added):
        plans, added = [], {}
        refused |= dict.fromkeys(wanted, "the edited code could not be read with it")
    by_hand = tuple(
        _by_hand(found, name, value, refused.get(name, ""))
        for name, value in missing.items()
        if name not in added
    )
    paths = tuple(found.tree.paths[plan.path] for plan in plans)
    return replace(made, plans=tuple(plans), paths=paths, added=tuple(added), manual=by_hand)


def _finding(facts: FileFacts, name: str, edit: Edit) -> Finding:
    span = getattr(edit, "span", None) or getattr(edit, "call", None) or getattr(edit, "anchor", None)
    assert span is not None  # noqa: S101 - the edits made here have one of the three
    return Finding(_CODE, name, facts.path, span, Level.WARNING, Safety.SAFE, f"the audit found {name}",
                   edits=(edit,))  # fmt: skip


def _in_notebook(notebook: FileFacts, findings: Sequence[Finding]) -> list[Finding]:
    """Findings in the code of a notebook's cells as those of the notebook."""
    number, part = next(
        (n, part) for n, part in enumerate(notebook.parts) if part.facts.kind is FileKind.PYTHON
    )
    return [
        replace(finding, span=part.outward(finding.span), inside=(number, finding)) for finding in findings
    ]


# Where a setting goes


def _edit(found: Found, name: str, value: object) -> tuple[FileFacts, Edit] | None:
    """The file and the edit that adds a setting; None where a person has to."""
    site = found.site
    field = name if site.owner == "engine" else field_of(name, site.owner, found.tree, found.target)
    if field is None:
        return None
    name = field
    if site.call is None:
        return _beside(found, name, value)
    loaded = [table for table in found.answers.mapping(site.place.path, site.call) if table.yaml is not None]
    if loaded:
        return _in_yaml(found, loaded, name, value)
    edit = adding.argument(site.call, name, value)
    return (site.file, edit) if edit is not None else None


def _in_yaml(
    found: Found, loaded: Sequence[Table], name: str, value: object
) -> tuple[FileFacts, Edit] | None:
    """One more key where the call's `**` was loaded from, if that is one mapping."""
    table = loaded[0]
    if len(loaded) > 1 or table.open or table.yaml is None:
        return None
    path = table.place.path
    source = found.tree.sources[path]
    edit = adding.yaml_key(source, table.yaml, name, value)
    facts = found.tree.facts.get(path) or read_file(
        path, FileKind.YAML, source, found.tree.index, found.target
    )
    return (facts, edit) if edit is not None else None


def _beside(found: Found, name: str, value: object) -> tuple[FileFacts, Edit] | None:
    """One more flag of a command, or key of a YAML mapping that is an engine's own."""
    site = found.site
    facts = site.file
    arguments = site.arguments
    if all(one.form is Form.FLAG for one in arguments):
        before = [span for span in facts.servers if span.start < arguments[0].span.start]
        if before:
            return facts, adding.server_flag(before[-1], name, value)
        return _in_command(facts, arguments, name, value)
    sure = next((one for one in arguments if one.certainty is Certainty.CERTAIN), None)
    if facts.kind is not FileKind.YAML or sure is None:
        return None
    mapping = found.answers.mapping_at(facts.path, sure.name_span)
    edit = adding.yaml_key(facts.source, mapping, name, value) if mapping is not None else None
    return (facts, edit) if edit is not None else None


def _in_command(
    facts: FileFacts, arguments: Sequence[Argument], name: str, value: object
) -> tuple[FileFacts, Edit] | None:
    """One more flag of a command that stands in YAML or TOML, as in a compose file."""
    own = next((one for one in arguments if not one.fixed), None)
    if facts.kind not in SETTINGS or own is None:
        return None
    edit = adding.flag_before(facts.source, own, name, value)
    return (facts, edit) if edit is not None else None


def _by_hand(found: Found, name: str, value: object, reason: str) -> str:
    site = found.site
    field = name if site.owner == "engine" else field_of(name, site.owner, found.tree, found.target)
    if field is None:
        return (
            f"{name}={value!r}: {site.what} has no such field in the TRL release that takes this vLLM, which"
            " decides it by itself"
        )
    where = (
        "add the flag"
        if site.call is None and site.what == "vllm serve"
        else "add it to the engine's settings"
    )
    written = (
        adding.flag(name, value) if where == "add the flag" else f"{field}={adding.python_source(value)}"
    )
    why = f" ({reason})" if reason else ""
    return f"{written}: {where} of {site.place} by hand{why}"


# Verified


def _holds(found: Found, plans: Sequence[FilePlan], added: Mapping[str, Any]) -> bool:
    """Whether the construction comes out with the new settings when the edited files are read again."""
    tree = changed_tree(found.tree, {plan.path: plan.after for plan in plans}, found.target)
    taken = found_again(found, tree)
    if taken is None:
        return False
    now = {one.name: one.value for one in taken.settings if one.part == "engine" and one.fate is Fate.TAKEN}
    before = {one.name: one.value for one in found.taken.settings if one.part == "engine"}
    same = all(now.get(name, value) == value for name, value in before.items() if value is not None)
    return same and all(name in now and now[name] == value for name, value in added.items())


def write(made: WriteBack, *, allow_dirty: bool) -> None:
    """Write the files of a plan, each whole or not at all.

    Raises:
        UncommittedError: one has changes that git has not committed, and `allow_dirty` is False; nothing was
            written.
        InputError: one has changed since it was read, or can't be written.
    """
    if not allow_dirty:
        refuse_uncommitted(made.paths)
    for path, plan in zip(made.paths, made.plans, strict=True):
        write_atomically(path, plan.before, plan.after)


def lines_of(made: WriteBack) -> Iterator[str]:
    """What is not in the diff: what was there, what was left as it is, what a person has to do."""
    if made.present:
        yield f"there already at {made.site}: {', '.join(made.present)}"
    for line in made.kept:
        yield f"not overwritten: {line}"
    for line in made.manual:
        yield f"by hand: {line}"
