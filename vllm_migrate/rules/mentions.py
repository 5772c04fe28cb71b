"""What the bytes of a project's files say, for rules that ask beyond the file at hand, and who imports whom.

A field that reaches an engine through `asdict` can go if nobody else reads or sets it; an engine that no
training imports has no part in it. Words are found rather than resolved: whatever could be the name counts,
in code, settings, scripts and comments alike.
"""

from __future__ import annotations

import ast
import re
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.python import parse_text
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.importers import imports, module_of, named_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.files.discover import SourceFile
    from vllm_migrate.files.located import Declaration
    from vllm_migrate.rules.importers import Named


_ANY_NUMBER = 1_000_000


class Mentions:
    """Answers for the files of one project as they are on disk when it is first asked."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._files = files
        self._found: dict[re.Pattern[bytes] | tuple[str, ...], bool] = {}
        self._found_in: dict[re.Pattern[bytes], frozenset[PurePosixPath]] = {}
        self._importers: dict[PurePosixPath, dict[PurePosixPath, bytes]] = {}
        self._named: dict[PurePosixPath, frozenset[Named]] = {}

    def is_declared_alone(self, name: str, declaration: Declaration) -> bool:
        """Whether nothing but its declaration knows a field or an option.

        Args:
            name: in Python spelling; `max_num_seqs` also counts as `max-num-seqs`.
            declaration: of the field or the option.
        """
        word = re.compile(rb"(?<![\w-])(?:--)?" + re.sub(rb"_", rb"[_-]", name.encode()) + rb"(?![\w-])")
        if sum(len(word.findall(source)) for _, source in self._sources) != 1:
            return False
        return not declaration.holder or self._positional(declaration.holder) <= declaration.place

    def any_of(self, *words: str) -> bool:
        """Whether any of these stands anywhere in the project."""
        if words not in self._found:
            wanted = [word.encode() for word in words]
            self._found[words] = any(word in source for _, source in self._sources for word in wanted)
        return self._found[words]

    def matches(self, pattern: re.Pattern[bytes], *words: bytes) -> bool:
        """Whether a pattern is found anywhere in the project. It finds nothing without one of the words."""
        if pattern not in self._found:
            self._found[pattern] = any(
                pattern.search(source)
                for _, source in self._sources
                if any(word in source for word in words)  # many times faster than a pattern
            )
        return self._found[pattern]

    def code_matches(self, pattern: re.Pattern[bytes], word: bytes) -> frozenset[PurePosixPath]:
        """The Python files that a pattern is found in. It finds nothing without the word.

        They are looked for once, however many files ask.
        """
        if pattern not in self._found_in:
            self._found_in[pattern] = frozenset(
                path
                for path, kind, source in self._files_read
                if kind is FileKind.PYTHON and word in source and pattern.search(source)
            )
        return self._found_in[pattern]

    def has_file(self, end: tuple[str, ...]) -> bool:
        """Whether a file's path ends in these parts."""
        return any(file.relative.parts[-len(end) :] == end for file in self._files)

    def text(self, path: PurePosixPath) -> bytes:
        """The bytes of one of the files that `code_matches` names."""
        return next((source for other, _, source in self._files_read if other == path), b"")

    def files_with(self, word: bytes) -> Iterator[tuple[PurePosixPath, FileKind, bytes]]:
        """The project's files of all kinds but documents that have a word in them."""
        return (row for row in self._files_read if word in row[2])

    def code(self, word: bytes, without: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
        """The project's Python files that have a word in them, but for one file."""
        for path, kind, source in self._files_read:
            if kind is FileKind.PYTHON and word in source and path != without:
                yield path, source

    def importers(self, path: PurePosixPath) -> dict[PurePosixPath, bytes]:
        """The project's Python files that import one of them, each with its bytes."""
        if path not in self._importers:
            module = module_of(path)
            self._importers[path] = {
                other: source
                for other, source in (self._naming.get(module[-1], ()) if module else ())
                if other != path and imports(self._named_in(other, source), other, module)
            }
        return self._importers[path]

    def imported(self, path: PurePosixPath, source: bytes) -> Iterator[bytes]:
        """The bytes of the project's Python files that one of them imports."""
        named = self._named_in(path, source)
        for name in sorted({parts[-1] for _, parts in named}):
            for other, module, text in self._modules.get(name, ()):
                if other != path and imports(named, path, module):
                    yield text

    @cached_property
    def _modules(self) -> dict[str, list[tuple[PurePosixPath, tuple[str, ...], bytes]]]:
        """The Python files with their modules, by the last name of these."""
        found: dict[str, list[tuple[PurePosixPath, tuple[str, ...], bytes]]] = {}
        for path, kind, source in self._files_read:
            if kind is FileKind.PYTHON and (module := module_of(path)):
                found.setdefault(module[-1], []).append((path, module, source))
        return found

    @cached_property
    def _naming(self) -> dict[str, list[tuple[PurePosixPath, bytes]]]:
        """The Python files whose imports name something, by its last name."""
        found: dict[str, list[tuple[PurePosixPath, bytes]]] = {}
        for path, kind, source in self._files_read:
            if kind is FileKind.PYTHON:
                for name in {parts[-1] for _, parts in self._named_in(path, source)}:
                    found.setdefault(name, []).append((path, source))
        return found

    def _named_in(self, path: PurePosixPath, source: bytes) -> frozenset[Named]:
        if path not in self._named:
            self._named[path] = named_in(source, path)
        return self._named[path]

    def _positional(self, name: str) -> int:
        """With how many arguments by place a class is called at most; a star counts as any number."""
        most = 0
        for kind, source in self._sources:
            if kind is not FileKind.PYTHON or name.encode() not in source:
                continue
            try:
                tree = parse_text(source)
            except (SyntaxError, ValueError, RecursionError):
                return _ANY_NUMBER  # who can't be read may do anything
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and last_name(node.func) == name:
                    starred = any(isinstance(argument, ast.Starred) for argument in node.args)
                    most = max(most, _ANY_NUMBER if starred else len(node.args))
                elif isinstance(node, ast.ClassDef) and name in map(last_name, node.bases):
                    return _ANY_NUMBER  # its fields come after this one's
        return most

    @cached_property
    def _sources(self) -> list[tuple[FileKind, bytes]]:
        return [(kind, source) for _, kind, source in self._files_read]

    @cached_property
    def _files_read(self) -> list[tuple[PurePosixPath, FileKind, bytes]]:
        found: list[tuple[PurePosixPath, FileKind, bytes]] = []
        for file in self._files:
            if file.kind is FileKind.MARKDOWN:
                continue
            try:
                source = file.path.read_bytes() if file.content is None else file.content
                found.append((file.relative, file.kind, source))
            except OSError:  # the scan has said so
                continue
        return found
