"""What the project's own modules re-export, wrap and derive from vLLM and TRL.

Only modules that import vLLM or TRL are parsed to begin with, then those that import such a module, and so
on until nothing new turns up. What is kept per module is small: the names it binds that lead to vLLM, and
what they lead to.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.configurations import reached
from vllm_migrate.files.located import Certainty
from vllm_migrate.files.prefilter import imports_directly
from vllm_migrate.files.python import parse_python
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.exports import STAR, Exports, exports_of
from vllm_migrate.resolve.handed_over import Handed, defined_in, handed_over, reexported_from
from vllm_migrate.resolve.import_text import absolute, import_statements
from vllm_migrate.resolve.meaning import Kind, Meaning
from vllm_migrate.resolve.names import Names
from vllm_migrate.resolve.syntax import Syntax

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.configurations import Configuration
    from vllm_migrate.files.python import ParsedPython

_ANY_CLASS = "^"  # stands for whatever class `from vllm import *` may have brought into a module
# Re-exports of re-exports are rarely deeper than three; a cycle of modules ends here at the latest.
_ROUNDS = 12
_HANDED_ON = 4  # how far an engine is followed from one module's parameter into the next one's
_KEPT_BYTES = 2_500_000  # a syntax tree and what is known of it take about forty times its source: 100 MB


@dataclass
class IndexTables:
    """What a `ProjectIndex` knows; `build_index` fills it.

    Attributes:
        packages: the dotted package of each file.
        exports: by module name; a module goes by all names it may be imported by.
        submodules: the modules directly below a package that export something.
        own_roots: PACKAGES that the project itself defines.
        parsed: files that were parsed on the way, with the bytes they were parsed from.
        handed: the engines that other modules hand to a file's functions and classes; see `Names`.
        names, concerned: see `ProjectIndex`.
    """

    packages: dict[PurePosixPath, str] = field(default_factory=dict)
    exports: dict[str, Exports] = field(default_factory=dict)
    submodules: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    own_roots: set[str] = field(default_factory=set)
    parsed: dict[PurePosixPath, tuple[bytes, ParsedPython, Syntax]] = field(default_factory=dict)
    handed: dict[PurePosixPath, dict[tuple[str, int | str], Meaning]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    concerned: frozenset[PurePosixPath] = frozenset()


class ProjectIndex:
    """Answers what a name of one of the project's modules leads to."""

    def __init__(self, tables: IndexTables) -> None:
        self._tables = tables
        self._configurations: tuple[Configuration, ...] = ()
        self._fields: Mapping[PurePosixPath, Mapping[tuple[str, str], tuple[str, str]]] = {}

    def learn(self, configurations: Iterable[Configuration]) -> None:
        """Take on which settings the project's modules hand on as keywords, once they are read."""
        self._configurations = tuple(configurations)

    def reached(self, path: PurePosixPath) -> dict[tuple[str, ...], str]:
        """Which mappings of a file of settings are handed on, and what takes them."""
        return reached(self._configurations, path) if self._configurations else {}

    def learn_fields(self, fields: Mapping[PurePosixPath, Mapping[tuple[str, str], tuple[str, str]]]) -> None:
        """Take on which fields and options reach a constructor in another file; see `flow/elsewhere.py`."""
        self._fields = fields

    def fields(self, path: PurePosixPath) -> Mapping[tuple[str, str], tuple[str, str]]:
        """The fields and options of a file that reach a constructor in another one, with what takes them."""
        return self._fields.get(path, {})

    @property
    def names(self) -> frozenset[str]:
        """Names that modules of the project re-export, for `worth_parsing(source, index.names)`."""
        return self._tables.names

    @property
    def concerned(self) -> frozenset[PurePosixPath]:
        """Files that reach vLLM or TRL through the project's own modules.

        They are worth parsing even where `worth_parsing` says no.
        """
        return self._tables.concerned

    def parsed(self, path: PurePosixPath, source: bytes) -> tuple[ParsedPython, Syntax] | None:
        """The file as it was read for the index, if it still is at hand."""
        kept = self._tables.parsed.get(path)
        return (kept[1], kept[2]) if kept is not None and kept[0] == source else None

    def forget_parsed(self) -> None:
        """Let go of the syntax trees, once nobody reads the project's files any more."""
        self._tables.parsed.clear()

    def handed(self, path: PurePosixPath) -> Mapping[tuple[str, int | str], Meaning]:
        """The engines that other modules hand to a file's functions and classes; see `Names`."""
        return self._tables.handed.get(path, {})

    def package_of(self, path: PurePosixPath) -> str:
        """The dotted package a file lies in, for its relative imports."""
        known_one = self._tables.packages.get(path)
        return known_one if known_one is not None else ".".join(path.parts[:-1])

    def resolve(self, module: str, name: str) -> Meaning | None:
        """What `name` of the project's module `module` leads to, None where not to vLLM or TRL."""
        exports = self._tables.exports.get(module)
        if exports is not None:
            found = exports.get(name)
            if found is not None:
                return found
            star = exports.get(STAR)
            if star is not None and name[:1].isupper():
                return Meaning(Kind.NAME, f"{star.name}.{name}", Certainty.LIKELY)
        if name in self._tables.submodules.get(module, ()):
            return Meaning(Kind.NAME, f"{module}.{name}")
        return None

    def exports(self, module: str) -> Exports:
        """All names of one of the project's modules that lead to vLLM or TRL."""
        return self._tables.exports.get(module, {})

    def is_own(self, module: str) -> bool:
        """Whether the project itself is the package a module lies in (the tree of TRL, for one)."""
        return module.partition(".")[0] in self._tables.own_roots


def build_index(files: Iterable[tuple[PurePosixPath, bytes]]) -> ProjectIndex:
    """Read a project's modules as far as they lead to vLLM or TRL.

    Files that can't be read are passed over here: reading them for findings says what is wrong with them.
    """
    return _Builder(list(files)).build()


class _Builder:
    def __init__(self, files: list[tuple[PurePosixPath, bytes]]) -> None:
        self._files = [(path, source) for path, source in files if path.suffix in (".py", ".pyi")]
        self._sources = dict(self._files)
        self._packages = {path.parent for path, _ in self._files if path.stem == "__init__"}
        self._tables = IndexTables()
        self._index = ProjectIndex(self._tables)
        self._module_names: dict[PurePosixPath, list[str]] = {}
        self._prefixes: dict[PurePosixPath, list[str]] = {}
        self._kept_bytes = 0

    def build(self) -> ProjectIndex:
        tables = self._tables
        for path, _ in self._files:
            names = self._names_of(path)
            self._module_names[path] = names
            package = names[0] if path.stem == "__init__" else names[0].rpartition(".")[0]
            tables.packages[path] = package
        tables.own_roots = {
            package.name
            for package in self._packages
            if package.name in known.PACKAGES and package.parent not in self._packages
        }
        pending = {path for path, source in self._files if imports_directly(source)}
        concerned: set[PurePosixPath] = set()
        givers = set(pending)
        for _ in range(_HANDED_ON):
            reached = self._spread(pending)
            givers |= reached
            pending = self._hand_over(givers)
            concerned |= reached | pending
            if not pending:
                break
            givers = set(pending)
        tables.concerned = frozenset(concerned)
        tables.names = frozenset(
            name for exports in tables.exports.values() for name in exports if name != STAR
        )
        return self._index

    def _spread(self, pending: set[PurePosixPath]) -> set[PurePosixPath]:
        """Read modules, then those that import what they turned out to export; gives the latter."""
        reached: set[PurePosixPath] = set()
        for _ in range(_ROUNDS):
            changed: set[str] = set()
            for path in sorted(pending, key=lambda p: (p.stem == "__init__", p)):
                changed |= self._read(path, self._sources[path])
            if not changed:
                break
            pending = {path for path, names in self._imports.items() if not changed.isdisjoint(names)}
            reached |= pending
        return reached

    def _hand_over(self, givers: set[PurePosixPath]) -> set[PurePosixPath]:
        """Note the engines that modules hand to others of the project; gives those that got a new one."""
        got: set[PurePosixPath] = set()
        for path in sorted(givers):
            for one in self._given(path):
                place = self._defined(one.module, one.name, 0)
                if place is None or place[0] == path:
                    continue
                table = self._tables.handed.setdefault(place[0], {})
                if table.setdefault((place[1], one.place), one.engine) is one.engine:
                    got.add(place[0])
        return got

    def _given(self, path: PurePosixPath) -> list[Handed]:
        names = self._names(path)
        try:
            return list(handed_over(names, self._paths)) if names is not None else []
        except RecursionError:  # reading it for findings says so
            return []

    def _defined(self, module: str, name: str, depth: int) -> tuple[PurePosixPath, str] | None:
        """The file that defines what a module of the project exports, and its name there."""
        path = self._paths.get(module)
        names = self._names(path) if path is not None and depth < _HANDED_ON else None
        if path is None or names is None:
            return None
        if defined_in(names, name):
            return path, name
        origin = reexported_from(names, name)
        return self._defined(*origin, depth + 1) if origin is not None else None

    def _names(self, path: PurePosixPath) -> Names | None:
        syntax = self._syntax(path, self._sources[path])
        if syntax is None:
            return None
        return Names(syntax, self._tables.packages[path], self._index, self._tables.handed.get(path))

    @cached_property
    def _imports(self) -> dict[PurePosixPath, set[str]]:
        return self._textual_imports()

    @cached_property
    def _paths(self) -> dict[str, PurePosixPath]:
        """The file of each module of the project, by the names it may be imported by."""
        found: dict[str, PurePosixPath] = {}
        for path, names in self._module_names.items():
            for name in names:
                found.setdefault(name, path)
        return found

    def _names_of(self, path: PurePosixPath) -> list[str]:
        """The dotted names a module may be imported by, the most likely first.

        Its package root is the topmost of the enclosing directories that are all packages; outside packages
        any enclosing directory may be on the path.
        """
        stem = "" if path.stem == "__init__" else path.stem
        folder = path.parent
        if folder not in self._prefixes:
            self._prefixes[folder] = self._prefixes_of(folder)
        names = [".".join(filter(None, (prefix, stem))) for prefix in self._prefixes[folder]]
        return [name for name in names if name] or [path.stem]

    def _prefixes_of(self, folder: PurePosixPath) -> list[str]:
        """What the names of a folder's modules may start with."""
        parts = folder.parts
        start = len(parts)
        while folder in self._packages and start > 0:
            start -= 1
            folder = folder.parent
        return [".".join(parts[i:]) for i in range(start, -1, -1)]

    def _textual_imports(self) -> dict[PurePosixPath, set[str]]:
        """What each file imports, read off its text: "module.name", "module.*", or a module as a whole.

        Only of the project's own modules.
        """
        own = {name.partition(".")[0] for names in self._module_names.values() for name in names}
        return {path: self._imported(path, source, own) for path, source in self._files}

    def _imported(self, path: PurePosixPath, source: bytes, own: set[str]) -> set[str]:
        found: set[str] = set()
        package = self._tables.packages[path]
        for origin, taken in import_statements(source):
            if origin:
                module = absolute(origin, package)
                if module.partition(".")[0] not in own:
                    continue
                found.update(f"{module}.{name}" for name in taken)
                if any(name[:1].isupper() for name in taken):
                    found.add(f"{module}.{_ANY_CLASS}")
            else:
                found.update(taken)
        return found

    def _read(self, path: PurePosixPath, source: bytes) -> set[str]:
        """Read a module's exports; what other files may import of them, where they are new."""
        syntax = self._syntax(path, source)
        if syntax is None:
            return set()
        tables, index = self._tables, self._index
        try:
            exports = exports_of(Names(syntax, tables.packages[path], index, tables.handed.get(path)))
        except RecursionError:  # reading it for findings says so
            return set()
        changed: set[str] = set()
        for module_name in self._module_names[path]:
            if module_name.partition(".")[0] in known.PACKAGES and not index.is_own(module_name):
                continue
            if exports and exports != tables.exports.get(module_name):
                tables.exports[module_name] = exports
                parent, _, last = module_name.rpartition(".")
                while parent or last:
                    tables.submodules[parent].add(last)
                    parent, _, last = parent.rpartition(".")
                changed.update((module_name, f"{module_name}.{STAR}"))
                changed.update(f"{module_name}.{name}" for name in exports)
                if STAR in exports:
                    changed.add(f"{module_name}.{_ANY_CLASS}")
        return changed

    def _syntax(self, path: PurePosixPath, source: bytes) -> Syntax | None:
        """A module's syntax; kept for reading it as long as not too much is kept."""
        kept = self._tables.parsed.get(path)
        if kept is not None:
            return kept[2]
        try:
            parsed = parse_python(path, source)
        except InputError:
            return None
        syntax = Syntax(parsed.module)
        if self._kept_bytes + len(source) <= _KEPT_BYTES:
            self._kept_bytes += len(source)
            self._tables.parsed[path] = (source, parsed, syntax)
        return syntax
