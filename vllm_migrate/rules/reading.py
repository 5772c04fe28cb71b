"""Reads a project's files into facts, as little of them as recall allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.edits.diagnostic import UNPARSABLE, UNREADABLE, Diagnostic
from vllm_migrate.errors import InputError
from vllm_migrate.files.adapters import may_matter, read_file
from vllm_migrate.files.kinds import SETTINGS, FileKind
from vllm_migrate.files.prefilter import keeps_logprobs, syncs_weights, takes_logprobs, trains, worth_parsing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.facts.model import Target
    from vllm_migrate.files.discover import SourceFile
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.shell_programs import Program
    from vllm_migrate.resolve.project import ProjectIndex


_CODE = (FileKind.PYTHON, FileKind.NOTEBOOK)
"""Read first: which settings of other files matter stands in them."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project as read.

    Attributes:
        facts: of the files in which something could be found.
        index: what its modules re-export; None where no Python file concerns vLLM.
        trains, syncs_weights, takes_logprobs: what the bytes of the other files tell: an engine is often
            built in one file and trained in another that never names vLLM.
        keeps_logprobs: what the bytes of all files tell: whether rollouts are written out with their
            log-probabilities.
        unreached: modules that the target never imports.
        diagnostics: the files that could not be read.
        lines: lines of Python looked at.
    """

    facts: tuple[FileFacts, ...]
    index: ProjectIndex | None
    diagnostics: tuple[Diagnostic, ...]
    lines: int
    trains: bool = False
    syncs_weights: bool = False
    takes_logprobs: bool = False
    keeps_logprobs: bool = False
    unreached: frozenset[PurePosixPath] = frozenset()


def read_project(
    files: Iterable[SourceFile], target: Target, progress: Callable[[int, int], None] | None = None
) -> Project:
    """Read the files' bytes, then those of them closely that can concern vLLM or TRL.

    Args:
        files: what was discovered.
        target: decides which version-gated branches are alive.
        progress: called with how many files are done, of how many.
    """
    diagnostics: list[Diagnostic] = []
    sources: dict[SourceFile, bytes] = {}
    for file in files:
        try:
            sources[file] = file.path.read_bytes() if file.content is None else file.content
        except OSError as error:  # noqa: PERF203 - one bad file must not end the run
            diagnostics.append(Diagnostic(UNREADABLE, file.relative, f"can't be read: {error.strerror}"))
    chosen, index = _worth_reading(sources)
    found: dict[SourceFile, FileFacts] = {}

    def read_all(some: Sequence[SourceFile]) -> None:
        for done, file in enumerate(some, start=len(found) + 1):
            if progress:
                progress(done, len(chosen))
            try:
                found[file] = read_file(file.relative, file.kind, sources[file], index, target)
            except InputError as error:
                diagnostics.append(_unparsable(file.relative, error.message))
            else:
                diagnostics.extend(_left_out(found[file]))

    code = [file for file in chosen if file.kind in _CODE]
    read_all(code)
    settings = set(chosen) - set(code)
    if index is not None:
        index.learn(
            one for file in found.values() for inside in file.running for one in inside.configurations
        )
        _add_fields(found, sources, index, target)
        settings |= {file for file in sources if file.kind in SETTINGS and index.reached(file.relative)}
    started = _programs(found.values())
    settings |= {
        file
        for file, text in sources.items()
        if file.kind is FileKind.SHELL and any(program.path.stem.encode() in text for program in started)
    }
    read_all([file for file in sources if file in settings])
    if index is not None:
        index.forget_parsed()
    if started:
        _link_scripts(found, started, {file.relative for file in sources if file.kind is FileKind.PYTHON})
    facts = [found[file] for file in sources if file in found]
    read = set(chosen)
    python = {file: text for file, text in sources.items() if file.kind is FileKind.PYTHON}
    others = [text for file, text in python.items() if file not in read] if facts else []
    never = {file.path: file.never_imports for file in facts if file.never_imports}
    dead: frozenset[PurePosixPath] = frozenset()
    if never and index is not None:
        from vllm_migrate.resolve.unreached import unreached  # noqa: PLC0415 - few projects have such twins

        known = {file.relative: text for file, text in python.items()}
        parsed = {file.path: file.may_import for file in facts if file.kind is FileKind.PYTHON}
        dead = unreached(never, parsed, known, {path: index.package_of(path) for path in known})
    from vllm_migrate.resolve.left_behind import left_behind  # noqa: PLC0415 - a tree without vLLM needs none

    every = {file.relative: text for file, text in sources.items()}
    dead |= left_behind((file.path for file in facts if file.kind is FileKind.PYTHON), every)
    return Project(
        tuple(facts),
        index,
        tuple(diagnostics),
        sum(_lines(text) for text in python.values()),
        trains=any(map(trains, others)),
        syncs_weights=any(map(syncs_weights, others)),
        takes_logprobs=any(map(takes_logprobs, others)),
        keeps_logprobs=bool(facts) and keeps_logprobs([sources[f] for f in sources if f.kind in _CODE]),
        unreached=dead,
    )


def _add_fields(
    found: dict[SourceFile, FileFacts],
    sources: Mapping[SourceFile, bytes],
    index: ProjectIndex,
    target: Target,
) -> None:
    """Read files again, or at all, whose fields and options reach an engine that another file builds."""
    from vllm_migrate.facts.loader import load_facts  # noqa: PLC0415 - loaded where there is something to judge
    from vllm_migrate.facts.model import Subject  # noqa: PLC0415 - same
    from vllm_migrate.resolve.defaults import calls_with_objects  # noqa: PLC0415 - same

    def matters(name: str) -> bool:
        return load_facts().on_target(Subject.ENGINE_ARGUMENT, name, target) is not None

    taking = [
        (facts, calls)
        for facts in found.values()
        if facts.kind is FileKind.PYTHON and (calls := calls_with_objects(facts, matters))
    ]
    if not taking:
        return
    from vllm_migrate.resolve.flow.elsewhere import fields_elsewhere  # noqa: PLC0415 - few projects do so

    python = {file.relative: text for file, text in sources.items() if file.kind is FileKind.PYTHON}
    fields = fields_elsewhere(taking, python, index, matters)
    index.learn_fields(fields)
    for file in sources if fields else ():
        if file.relative in fields and file.kind is FileKind.PYTHON:
            # A file that can't be read was not followed into.
            found[file] = read_file(file.relative, file.kind, sources[file], index, target)


def _programs(code: Iterable[FileFacts]) -> tuple[Program, ...]:
    """The modules that take vLLM's engine options on their command line."""
    code = [file for file in code if b"add_cli_args" in file.source or b"make_arg_parser" in file.source]
    if not code:
        return ()
    from vllm_migrate.files.shell_programs import programs  # noqa: PLC0415 - few projects have any

    return programs(code)


def _link_scripts(
    found: dict[SourceFile, FileFacts], started: tuple[Program, ...], modules: set[PurePosixPath]
) -> None:
    """Tell the shell scripts which programs of the project take vLLM's engine options."""
    from vllm_migrate.files.shell_programs import with_flags  # noqa: PLC0415 - few projects have programs

    scripts = {file: facts for file, facts in found.items() if file.kind is FileKind.SHELL}
    found.update({file: with_flags(facts, started, modules) for file, facts in scripts.items()})


def names_vllm(file: SourceFile) -> bool:
    """Whether a file's bytes mention what could be found in it; of one that can't be read, nobody knows."""
    try:
        source = file.path.read_bytes()
    except OSError:
        return True
    return worth_parsing(source) if file.kind is FileKind.PYTHON else may_matter(file.kind, source)


def _unparsable(path: PurePosixPath, message: str) -> Diagnostic:
    """Adapters say the line in the message, `path:3: ...` or `line 3: ...`: it becomes the diagnostic's."""
    match = re.match(r"(?:line (\d+)|:(\d+))?: (.*)", message.removeprefix(str(path)), re.DOTALL)
    if match is None:
        return Diagnostic(UNPARSABLE, path, message)
    return Diagnostic(UNPARSABLE, path, match[3], int(match[1] or match[2] or 0))


def _left_out(facts: FileFacts) -> Iterable[Diagnostic]:
    """One line for what could not be read in a file of which the rest was."""
    if facts.unread:
        line, message = facts.unread[0]
        others = len(facts.unread) - 1
        more = f" ({others} more {'cells' if others > 1 else 'cell'})" if others else ""
        yield Diagnostic(
            UNPARSABLE, facts.path, f"{message}{more}; the rest was judged, none is edited", line
        )


def _worth_reading(sources: Mapping[SourceFile, bytes]) -> tuple[list[SourceFile], ProjectIndex | None]:
    """The files to read closely: those that name something of vLLM's, and those that import such a file."""
    direct = {
        file
        for file, text in sources.items()
        if (worth_parsing(text) if file.kind is FileKind.PYTHON else may_matter(file.kind, text))
    }
    if not any(file.kind is FileKind.PYTHON for file in direct):
        return [file for file in sources if file in direct], None
    from vllm_migrate.resolve.project import build_index  # noqa: PLC0415 - a tree without vLLM needs no ast

    index = build_index([(f.relative, text) for f, text in sources.items() if f.kind is FileKind.PYTHON])
    return [file for file in sources if file in direct or file.relative in index.concerned], index


def _lines(source: bytes) -> int:
    return source.count(b"\n") + (bool(source) and not source.endswith(b"\n"))
