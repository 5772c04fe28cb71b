"""The scan: from paths to findings.

Files are discovered and read; what the code comes from is found out over the whole project, since a pin in
one file decides what a call in another means; then every rule looks at every file of its kinds. A file that
can't be judged becomes a diagnostic and never ends the run.
"""

from __future__ import annotations

from dataclasses import field, fields, replace
from typing import TYPE_CHECKING

from vllm_migrate.edits.diagnostic import UNPARSABLE, UNREADABLE, Diagnostic
from vllm_migrate.edits.positions import position_of
from vllm_migrate.facts.source import detect_source, parse_target
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.discover import TOO_LARGE, discover, given_file
from vllm_migrate.files.kinds import SETTINGS
from vllm_migrate.rules.reading import Project, names_vllm, read_project
from vllm_migrate.rules.subprojects import locked, nearest, shows_v0, subprojects
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from vllm_migrate.config import Config
    from vllm_migrate.edits.baseline import Known
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Source, Target
    from vllm_migrate.files.discover import Discovery, SourceFile
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.kinds import FileKind
    from vllm_migrate.files.located import Pin
    from vllm_migrate.files.use import Use
    from vllm_migrate.resolve.project import ProjectIndex
    from vllm_migrate.rules.base import Context


@dataclass(frozen=True, slots=True)
class Judge:
    """What turns one file's bytes into findings once the project is known.

    `ignored` holds code prefixes left out in single files, `subprojects` folders that come from another
    release than the project as a whole, `unreached` modules that the target never imports.
    """

    context: Context
    index: ProjectIndex | None
    config: Config
    ignored: Mapping[PurePosixPath, tuple[str, ...]] = field(default_factory=dict)
    subprojects: Mapping[PurePosixPath, Source] = field(default_factory=dict)
    unreached: frozenset[PurePosixPath] = frozenset()

    def read(self, path: PurePosixPath, kind: FileKind, source: bytes) -> FileFacts:
        """The file's facts. Raises `InputError` where it can't be read as what its kind says."""
        return read_file(path, kind, source, self.index, self.context.target)

    def context_of(self, path: PurePosixPath) -> Context:
        """What rules may know beyond a file: the project, seen from where the file lies."""
        folder = nearest(self.subprojects, path) if self.subprojects else None
        return self.context if folder is None else replace(self.context, source=self.subprojects[folder])

    def is_asked(self, code: str, path: PurePosixPath) -> bool:
        """Whether the configuration lets a rule speak about a file."""
        return is_selected(code, self.config) and not code.startswith(self.ignored.get(path, ()))

    def findings(self, facts: FileFacts) -> tuple[list[Finding], list[Finding]]:
        """What the selected rules find in one file, by place, and what of it comments silence."""
        from vllm_migrate.edits.suppress import is_suppressed  # noqa: PLC0415 - not before it's needed
        from vllm_migrate.rules.backstop.told import is_told  # noqa: PLC0415 - same
        from vllm_migrate.rules.finding import made_light  # noqa: PLC0415 - same
        from vllm_migrate.rules.registry import all_rules  # noqa: PLC0415 - same

        context = self.context_of(facts.path)
        kept: list[Finding] = []
        silenced: list[Finding] = []
        said: list[Finding] = []
        for rule in sorted(all_rules(), key=lambda rule: rule.backstop):
            if facts.kind not in rule.kinds:
                continue
            for finding in rule.find(facts, context):
                if rule.backstop and is_told(facts, finding, said):
                    continue
                if facts.path in self.unreached:
                    finding = made_light(finding)  # noqa: PLW2901 - it is the same finding
                said.append(finding)
                if not self.is_asked(finding.code, facts.path):
                    continue
                position = (
                    position_of(facts.source, finding.span, facts.encoding) if facts.suppressions else None
                )
                if position is not None and is_suppressed(finding, position, facts.suppressions):
                    silenced.append(finding)
                else:
                    kept.append(finding)
        for index, part in enumerate(facts.parts):
            from vllm_migrate.rules.inside import about_the_file  # noqa: PLC0415 - most files have no parts

            for to, found in zip((kept, silenced), self.findings(part.facts), strict=True):
                to += [about_the_file(finding, facts, index) for finding in found]
        return sorted(kept, key=lambda finding: (finding.span, finding.code)), silenced


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found.

    Attributes:
        findings: by path and place, without those in `silenced`, in `baseline` and off the lines asked about.
        silenced: findings that comments silence.
        files: all files looked at.
        facts: of each file with a finding, silenced or not.
        subprojects: folders of the tree that pin another release than `source`.
        skipped: what was left out, with the reason.
        judge: for looking at a file again after it was edited.
        lines: lines of Python looked at.
        baseline: what of the findings is known already; None where nothing was compared.
        elsewhere: how many findings are left out because they are not on the lines asked about.
    """

    findings: tuple[Finding, ...]
    files: tuple[SourceFile, ...]
    source: Source
    target: Target
    skipped: tuple[tuple[PurePosixPath, str], ...]
    diagnostics: tuple[Diagnostic, ...]
    facts: Mapping[PurePosixPath, FileFacts] = field(default_factory=dict)
    silenced: tuple[Finding, ...] = ()
    lines: int = 0
    judge: Judge | None = None
    baseline: Known | None = None
    elsewhere: int = 0
    subprojects: Mapping[PurePosixPath, Source] = field(default_factory=dict)

    @property
    def suppressed(self) -> int:
        """How many findings comments silence."""
        return len(self.silenced)

    @property
    def everything(self) -> tuple[Finding, ...]:
        """All findings by path and place, silenced and known ones included."""
        known = self.baseline.hidden if self.baseline else ()
        return tuple(
            sorted((*self.findings, *self.silenced, *known), key=lambda f: (str(f.path), f.span, f.code))
        )

    @property
    def unjudged(self) -> bool:
        """Whether there is a file whose findings are unknown."""
        return any(diagnostic.unjudged for diagnostic in self.diagnostics)


def is_selected(code: str, config: Config) -> bool:
    """Whether `select` and `ignore` let a rule through: the longer prefix wins, `ignore` on a tie."""
    chosen = max((len(prefix) for prefix in config.select if code.startswith(prefix)), default=-1)
    left_out = max((len(prefix) for prefix in config.ignore if code.startswith(prefix)), default=-1)
    if config.select and chosen < 0:
        return False
    return left_out < 0 or chosen > left_out


def scan(
    paths: Sequence[Path],
    config: Config,
    *,
    progress: Callable[[int, int], None] | None = None,
    content: bytes | None = None,
) -> ScanResult:
    """Look at everything under `paths`.

    Args:
        paths: files and directories.
        config: command line, file and defaults already merged.
        progress: called with how many files are done, of how many.
        content: what the one file in `paths` contains, whatever is on disk.

    Raises:
        InputError: where a path does not exist.
        UsageError: where a version in `config` is none.
    """
    target = parse_target(config.target)
    discovery = discover(paths, config) if content is None else given_file(paths[0], content)
    project = read_project(discovery.files, target, progress)
    running = [inside for file in project.facts for inside in file.running]
    pins = (*locked(paths, discovery.files), *_pins(project.facts))
    source = detect_source(
        pins,
        [variable for file in running for variable in file.variables],
        any(shows_v0(file) for file in running),
        config.source or None,
    )
    ignored = _ignored(discovery.files, config)
    judge = _judge(project, source, target, config, ignored, pins, discovery.files) if project.facts else None
    large, skipped = _too_large(discovery)
    findings: list[Finding] = []
    silenced: list[Finding] = []
    kept: dict[PurePosixPath, FileFacts] = {}
    deep: list[Diagnostic] = []
    for file in project.facts:
        try:
            found, quiet = judge.findings(file) if judge else ([], [])
        except RecursionError:
            deep.append(Diagnostic(UNPARSABLE, file.path, "nested too deeply to be judged"))
            continue
        silenced += quiet
        if found or quiet:
            findings += found
            kept[file.path] = file
    return ScanResult(
        findings=tuple(findings),
        files=discovery.files,
        source=source,
        target=target,
        skipped=skipped,
        diagnostics=(*project.diagnostics, *large, *deep),
        facts=kept,
        silenced=tuple(silenced),
        lines=project.lines,
        judge=judge,
        subprojects=judge.subprojects if judge else {},
    )


def _too_large(discovery: Discovery) -> tuple[list[Diagnostic], tuple[tuple[PurePosixPath, str], ...]]:
    """The large files whose bytes say that something could be found in them; what else was skipped."""
    if not discovery.large:
        return [], discovery.skipped
    concerned = {file.relative for file in discovery.large if names_vllm(file)}
    message = f"{TOO_LARGE}, and it names vLLM: it was not read"
    return (
        [Diagnostic(UNREADABLE, path, message) for path in sorted(concerned)],
        tuple(one for one in discovery.skipped if one[0] not in concerned),
    )


def _ignored(files: Sequence[SourceFile], config: Config) -> Mapping[PurePosixPath, tuple[str, ...]]:
    if not config.per_file_ignores:
        return {}
    from vllm_migrate.rules.per_file import ignored_codes  # noqa: PLC0415 - most runs have none

    return ignored_codes(files, config)


def _judge(  # noqa: PLR0917 (all that is known of the project)
    project: Project,
    source: Source,
    target: Target,
    config: Config,
    ignored: Mapping[PurePosixPath, tuple[str, ...]],
    pins: tuple[tuple[str, Pin], ...],
    files: Sequence[SourceFile],
) -> Judge:
    # Imported here: where there is nothing to judge there are no facts to load.
    from vllm_migrate.facts.loader import load_facts  # noqa: PLC0415 - see above
    from vllm_migrate.facts.trl_route import passed_to_trl  # noqa: PLC0415 - see above
    from vllm_migrate.files.use import Use  # noqa: PLC0415 - see above
    from vllm_migrate.rules.base import Context  # noqa: PLC0415 - see above
    from vllm_migrate.rules.mentions import Mentions  # noqa: PLC0415 - see above

    running = [inside for file in project.facts for inside in file.running]
    others = Use(
        trains=project.trains,
        syncs_weights=project.syncs_weights,
        takes_logprobs=project.takes_logprobs,
        keeps_logprobs=project.keeps_logprobs,
        passes_on=frozenset(_settings(project.facts)),
    )
    use = project_use([*(inside.use for inside in running), others])
    given = passed_to_trl(running)
    context = Context(source, target, load_facts(), use, config.recipe, pins, Mentions(files), given)
    apart = subprojects(pins, project.facts, source)
    return Judge(context, project.index, config, ignored, apart, project.unreached)


def _settings(facts: Iterable[FileFacts]) -> Iterable[str]:
    """The settings of engines that files of settings hold: the code hands them on as keywords."""
    for file in facts:
        if file.kind in SETTINGS:
            yield from (argument.name for argument in file.arguments if argument.owner == "engine")


def project_use(uses: Iterable[Use]) -> Use:
    """The signs of use of all files together: each is true where any file shows it; names are collected."""
    from vllm_migrate.files.use import Use  # noqa: PLC0415 - where there is nothing to judge, nothing is used

    signs = {sign.name: getattr(Use(), sign.name) for sign in fields(Use)}
    for use in uses:
        signs = {name: known | getattr(use, name) for name, known in signs.items()}
    return Use(**signs)


def _pins(facts: Iterable[FileFacts]) -> Iterable[tuple[str, Pin]]:
    """All pins, each with the file and line it stands in."""
    for file in facts:
        for pin in file.pins:
            line = file.source.count(b"\n", 0, pin.span.start) + 1
            yield f"{file.path}:{line}", pin
        for part in file.parts:
            for pin in () if part.quoted else part.facts.pins:
                line = file.source.count(b"\n", 0, part.outward(pin.span).start) + 1
                yield f"{file.path}:{line}", pin
