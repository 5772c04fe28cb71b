"""Where the user's code builds engines: in Python, on a server's command line, in YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from vllm_migrate.config import Config
from vllm_migrate.errors import InputError
from vllm_migrate.files.adapters import kind_of, read_file
from vllm_migrate.files.discover import discover
from vllm_migrate.files.kinds import SETTINGS, FileKind
from vllm_migrate.files.located import Certainty, Form
from vllm_migrate.files.text import as_latin1
from vllm_migrate.files.toml_lines import entries as toml_entries
from vllm_migrate.files.yaml_tree import read_yaml_tree
from vllm_migrate.resolve.flow.values import Place
from vllm_migrate.rules.reading import read_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vllm_migrate.facts.model import Target
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call, Span
    from vllm_migrate.files.yaml_tree import YamlNode
    from vllm_migrate.resolve.project import ProjectIndex

_BUILDERS = frozenset({"vllm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs"})
_TRL = frozenset({"trl.GRPOConfig", "trl.RLOOConfig", "trl.OnlineDPOConfig"})
_ROOTS = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    ".git",
    "requirements.txt",
)  # the last only beside the file
_ABOVE = 2
_MINOR = frozenset({"test", "tests", "testing", "benchmarks", "examples"})


@dataclass(frozen=True, slots=True)
class Tree:
    """The user's project.

    Attributes:
        root: the directory it was read from.
        paths: real paths of the files by the names they go by.
        sources, facts: of the files, by name; `index` what its modules re-export. A notebook stands there as
            the code of its cells end to end.
        notebooks: the notebooks themselves, by name.
    """

    root: Path
    paths: Mapping[PurePosixPath, Path]
    sources: Mapping[PurePosixPath, bytes]
    facts: Mapping[PurePosixPath, FileFacts]
    index: ProjectIndex | None = None
    notebooks: Mapping[PurePosixPath, FileFacts] = field(default_factory=dict)

    def named(self, path: Path) -> PurePosixPath | None:
        """The name a file goes by, None where it isn't one of the tree."""
        real = path.resolve()
        return next((name for name, file in self.paths.items() if file.resolve() == real), None)


@dataclass(frozen=True, slots=True)
class Site:
    """A construction.

    Attributes:
        what: "LLM", "EngineArgs", "GRPOConfig", "vllm serve" or "engine settings".
        place, last: its first line and the number of its last.
        call: the call; None for a command line or a YAML mapping, which have `arguments` instead.
        owner: what takes the arguments, as in `Argument.owner`.
    """

    what: str
    place: Place
    last: int
    file: FileFacts
    owner: str
    call: Call | None = None
    arguments: tuple[Argument, ...] = ()

    @property
    def loose(self) -> bool:
        """A mapping of a YAML file that nothing says an engine gets."""
        keys = [one for one in self.arguments if one.form is Form.KEY]
        return bool(keys) and not any(one.certainty is Certainty.CERTAIN for one in keys)

    @property
    def minor(self) -> bool:
        """Not in code that trains."""
        return is_minor(self.place.path)


def is_minor(path: PurePosixPath) -> bool:
    """Whether a file lies in a folder of tests, benchmarks or examples: not what trains."""
    return not _MINOR.isdisjoint(path.parts[:-1])


def project_root(path: Path) -> Path:
    """The directory of the project that a file belongs to.

    The nearest one that says it is one, up to a few above the file's outermost package; that package's own
    directory where none does. A marker further up would be somebody else's: reading it could take minutes.
    """
    package = path.resolve().parent
    while (package / "__init__.py").exists():
        package = package.parent
    inside = [folder for folder in path.resolve().parents if folder.is_relative_to(package)]
    above = [folder for folder in package.parents if folder.parent != folder][:_ABOVE]
    for folder in (*inside, *above):
        marks = _ROOTS if folder in inside else _ROOTS[:-1]
        if any((folder / name).exists() for name in marks):
            return folder
    return package


def read_tree(roots: Sequence[Path], target: Target) -> Tree:
    """Read a project, or single files of it.

    Raises:
        InputError: there is no such directory.
    """
    found = discover(roots, Config())
    sources: dict[PurePosixPath, bytes] = {}
    for file in found.files:
        try:
            sources[file.relative] = file.path.read_bytes()
        except OSError:  # noqa: PERF203 - a file that can't be read is none that can be followed
            continue
    project = read_project([file for file in found.files if file.relative in sources], target)
    notebooks = {facts.path: facts for facts in project.facts if code_of(facts) is not facts}
    code = {path: code_of(facts) for path, facts in notebooks.items()}
    return Tree(
        roots[0],
        {file.relative: file.path for file in found.files},
        {path: source for path, source in sources.items() if kind_of(path, source) is not FileKind.NOTEBOOK}
        | {path: facts.source for path, facts in code.items()},
        {facts.path: facts for facts in project.facts} | code,
        project.index,
        notebooks,
    )


def code_of(facts: FileFacts) -> FileFacts:
    """What was found in a notebook's code; of any other file, and of a notebook without code, itself."""
    if facts.kind is not FileKind.NOTEBOOK:
        return facts
    return next((part.facts for part in facts.parts if part.facts.kind is FileKind.PYTHON), facts)


def changed_tree(tree: Tree, after: Mapping[PurePosixPath, bytes], target: Target) -> Tree:
    """The tree as it is with other bytes in some files.

    Raises:
        InputError: one of them can't be read any more.
    """
    facts, sources = dict(tree.facts), dict(tree.sources)
    for path, source in after.items():
        kind = facts[path].kind if path in facts else kind_of(path, source)
        kind = FileKind.NOTEBOOK if path in tree.notebooks else kind
        assert kind is not None  # noqa: S101 - it was read as something before
        facts[path] = code_of(read_file(path, kind, source, tree.index, target))
        sources[path] = facts[path].source
    return replace(tree, sources=sources, facts=facts)


def sites(tree: Tree) -> list[Site]:
    """All constructions of a tree, by place."""
    found: list[Site] = []
    for facts in tree.facts.values():
        handed_on = tree.index is not None and bool(tree.index.reached(facts.path))
        found += [s for s in _in_file(facts) if s.call is not None or not handed_on]
    return sorted(found, key=lambda site: (site.minor, site.place))


def sampling_calls(tree: Tree) -> list[tuple[FileFacts, Call]]:
    """All constructions of sampling parameters in code that runs."""
    return [
        (facts, call)
        for facts in tree.facts.values()
        for call in facts.calls
        if call.target == "vllm.SamplingParams" and not call.dead and not call.wrapped
    ]


def _in_file(facts: FileFacts) -> Iterator[Site]:
    if facts.kind is FileKind.PYTHON:
        for call in facts.calls:
            if call.dead or call.wrapped or call.certainty is Certainty.GUESS:
                continue
            trl = call.target in _TRL and any(
                a.name.startswith(("use_vllm", "vllm_")) for a in call.arguments
            )
            if call.target in _BUILDERS or trl:
                owner = call.target if trl else "engine"
                yield Site(call.target.rpartition(".")[2], place_of(facts, call.span.start),
                           place_of(facts, call.span.end).line, facts, owner, call)  # fmt: skip
    yield from _listed(facts)


def _listed(facts: FileFacts) -> Iterator[Site]:
    """Commands and mappings of settings: the arguments that stand together."""
    together: dict[tuple[str, object, bool], list[Argument]] = {}
    paths = _key_paths(facts) if facts.kind in SETTINGS else {}
    for argument in facts.arguments:
        if argument.call >= 0 or argument.dead or argument.owner in ("sampling", "generate"):
            continue
        flag = argument.form is Form.FLAG
        if argument.form not in (Form.FLAG, Form.KEY) or (facts.kind is FileKind.PYTHON and not flag):
            continue
        before = [span.start for span in facts.servers if span.start < argument.span.start]
        place: object = max(before, default=-1) if flag else paths.get(argument.name_span, ())
        together.setdefault((argument.owner, place, flag), []).append(argument)
    for (owner, _, flag), arguments in _outer(together).items():
        if owner != "engine" and owner not in _TRL:
            continue
        what = "vllm serve" if flag and owner == "engine" else "engine settings"
        what = owner.rpartition(".")[2] if owner in _TRL else what
        first, last = arguments[0], arguments[-1]
        yield Site(what, place_of(facts, first.span.start), place_of(facts, last.name_span.end).line, facts,
                   owner, None, tuple(arguments))  # fmt: skip


def _key_paths(facts: FileFacts) -> dict[Span, tuple[str, ...]]:
    """The keys that lead to the mapping each key of a YAML or TOML file stands in."""
    if facts.kind is FileKind.TOML:
        return {entry.key_span: entry.path for entry in toml_entries(as_latin1(facts.source))}
    found: dict[Span, tuple[str, ...]] = {}

    def walk(node: YamlNode, path: tuple[str, ...]) -> None:
        for key, below in node.keys.items():
            if below.entry is not None:
                found[below.entry.key_span] = path
            walk(below, (*path, key))
        for index, below in enumerate(node.items):
            walk(below, (*path, str(index)))

    walk(read_yaml_tree(facts.source), ())
    return found


_Groups: TypeAlias = dict[tuple[str, object, bool], list["Argument"]]


def _outer(together: _Groups) -> _Groups:
    """Mappings inside others join them: `rollout: {engine_kwargs: {vllm: {...}}}` is one engine's."""
    joined: _Groups = {}
    for (owner, place, flag), arguments in together.items():
        outer = place
        if isinstance(place, tuple):
            above = [other for of, other, _ in together if of == owner and isinstance(other, tuple)
                     and place[: len(other)] == other]  # fmt: skip
            outer = min(above, key=len)
        joined.setdefault((owner, outer, flag), []).extend(arguments)
    return {key: sorted(arguments, key=lambda one: one.span) for key, arguments in joined.items()}


def place_of(facts: FileFacts, offset: int) -> Place:
    """The line of an offset."""
    return Place(facts.path, facts.source.count(b"\n", 0, offset) + 1)


def split_place(text: str) -> tuple[Path, int | None]:
    """`PATH[:LINE]`.

    Raises:
        InputError: there is nothing of that name.
    """
    path, line = Path(text), None
    head, colon, tail = text.rpartition(":")
    if not path.exists() and colon and tail.isdecimal():
        path, line = Path(head), int(tail)
    if not path.exists():
        raise InputError(f"can't read {path}: No such file or directory")
    return path, line
