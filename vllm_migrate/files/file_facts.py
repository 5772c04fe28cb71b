"""What an adapter reads out of a file, as plain values with byte positions.

An adapter turns bytes into a `FileFacts`; rules look only at these values, never at a syntax tree, so one
rule serves a Python keyword, a dictionary entry, a YAML key and a command-line flag alike.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from vllm_migrate.files.use import Use
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.configurations import Configuration
    from vllm_migrate.files.kinds import FileKind
    from vllm_migrate.files.located import (
        Argument,
        Attribute,
        Call,
        Chain,
        ClassDefinition,
        Import,
        Pin,
        Reference,
        Span,
        Variable,
        VersionComparison,
    )
    from vllm_migrate.files.parts import Part
    from vllm_migrate.files.weight_sync import RpcArgument, WeightUpdate, WithPatch, WorkerClass


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Everything an adapter found in one file.

    Attributes:
        path: relative to the root the user named, with forward slashes.
        source: the file's bytes, unchanged.
        encoding: how `source` decodes; `newline` its line ending as most lines have it.
        parts: the files inside it, whose facts are theirs and not repeated here.
        configurations: the mappings of other files that it hands on as keywords.
        servers: where commands name vLLM's server, in front of its flags; scripts only.
        unread: what in it can't be read, a line of the file and what is wrong there; nothing in it is edited.
        never_imports: modules that it imports only in branches the target version never takes.
        may_import: modules that it imports in any branch, where it is read as one of a project's.
    """

    path: PurePosixPath
    kind: FileKind
    source: bytes
    encoding: str = "utf-8"
    newline: str = "\n"
    imports: tuple[Import, ...] = ()
    references: tuple[Reference, ...] = ()
    calls: tuple[Call, ...] = ()
    arguments: tuple[Argument, ...] = ()
    chains: tuple[Chain, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    classes: tuple[ClassDefinition, ...] = ()
    functions: tuple[tuple[int, int], ...] = ()  # first and last line, from 1; lambdas, too
    patches: tuple[WithPatch, ...] = ()
    updates: tuple[WeightUpdate, ...] = ()
    workers: tuple[WorkerClass, ...] = ()
    sent: tuple[RpcArgument, ...] = ()
    variables: tuple[Variable, ...] = ()
    pins: tuple[Pin, ...] = ()
    comparisons: tuple[VersionComparison, ...] = ()
    use: Use = field(default_factory=Use)
    suppressions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    servers: tuple[Span, ...] = ()
    unread: tuple[tuple[int, str], ...] = ()
    never_imports: frozenset[str] = frozenset()
    may_import: frozenset[str] = frozenset()

    @property
    def running(self) -> Iterator[FileFacts]:
        """The facts of the file and of the parts of it that run, which is what a project consists of."""
        yield self
        for part in self.parts:
            if not part.quoted:
                yield from part.facts.running

    def text(self, span: Span) -> str:
        """The source text of a span."""
        return self.source[span.start : span.end].decode(self.encoding)
