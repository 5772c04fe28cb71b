"""Reads a Python file into located facts: `ast` only, one walk, nothing of the user's is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.positions import newline_of
from vllm_migrate.files.python import parse_python
from vllm_migrate.files.suppressions import suppressions
from vllm_migrate.resolve.calls import CallReader
from vllm_migrate.resolve.commands import CommandReader
from vllm_migrate.resolve.configurations import ConfigurationReader
from vllm_migrate.resolve.defaults import DefaultReader
from vllm_migrate.resolve.environment import EnvironmentReader
from vllm_migrate.resolve.insides import InsideReader
from vllm_migrate.resolve.mappings import Mappings
from vllm_migrate.resolve.names import Names
from vllm_migrate.resolve.patches import PatchReader
from vllm_migrate.resolve.references import ReferenceReader
from vllm_migrate.resolve.requests import RequestReader
from vllm_migrate.resolve.rpc_arguments import RpcArgumentReader
from vllm_migrate.resolve.syntax import Syntax
from vllm_migrate.resolve.unreached import may_import, never_imported
from vllm_migrate.resolve.usage import read_use
from vllm_migrate.resolve.versions import VersionGates
from vllm_migrate.resolve.weight_updates import WeightUpdateReader
from vllm_migrate.resolve.workers import worker_classes

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.facts.model import Target
    from vllm_migrate.files.python import ParsedPython
    from vllm_migrate.resolve.project import ProjectIndex


def read_python(
    path: PurePosixPath, source: bytes, index: ProjectIndex | None = None, target: Target | None = None
) -> FileFacts:
    """Everything in a Python file that concerns vLLM or TRL.

    Args:
        path: relative to the root the user named.
        source: the file's bytes.
        index: what the project's own modules re-export; None to look at this file alone.
        target: the version whose branches are alive; None leaves every branch alive.

    Raises:
        InputError: where the file is no text in its declared encoding, or no Python.
    """
    kept = index.parsed(path, source) if index is not None else None
    parsed, syntax = kept if kept is not None else _parse(path, source)
    text = parsed.text
    package = index.package_of(path) if index is not None else package_of(path)
    names = Names(syntax, package, index, index.handed(path) if index is not None else None)
    gates = VersionGates(
        syntax,
        names,
        target.version if target is not None else None,
        mentions_version=b"version" in source.lower(),
        asks_attributes=any(word in source for word in (b"hasattr(", b"signature(", b"getfullargspec(")),
    )
    reader = CallReader(syntax, names, text, Mappings(syntax), gates)
    calls, arguments = reader.read()
    if b"guided_" in source:
        arguments = (*arguments, *RequestReader(syntax, text, gates, reader).arguments())
    insides = InsideReader(syntax, names, text, gates)
    references = ReferenceReader(syntax, names, text, gates, reader)
    attributes = insides.attributes()
    variables = EnvironmentReader(syntax, names, text, gates, reader).variables()
    default_reader = DefaultReader(syntax, names, text, reader)
    defaults = default_reader.read(calls)
    taken_elsewhere = index.fields(path) if index is not None else {}
    if taken_elsewhere:
        known = {(one.span, one.name) for one in defaults}
        others = default_reader.of_others(taken_elsewhere)
        defaults = (*defaults, *(one for one in others if (one.span, one.name) not in known))
    if defaults:
        arguments = tuple(sorted((*arguments, *defaults), key=lambda a: a.span))
    commands = CommandReader(syntax, text, gates, reader).read()
    if commands.arguments:
        arguments = tuple(sorted((*arguments, *commands.arguments), key=lambda a: a.span))
    if commands.variables:
        variables = tuple(sorted((*variables, *commands.variables), key=lambda v: (v.span, v.name_span)))
    chains = insides.chains()
    updates = WeightUpdateReader(syntax, names, text, gates, chains).updates()
    workers = worker_classes(path, syntax, names, text, gates)
    sent = RpcArgumentReader(syntax, names, text, gates).arguments()
    return FileFacts(
        path=path,
        kind=FileKind.PYTHON,
        source=source,
        encoding=text.encoding,
        newline=newline_of(source),
        imports=references.imports(),
        references=references.references(),
        calls=calls,
        arguments=arguments,
        chains=tuple(chain for chain in chains if not chain.dead),
        attributes=attributes,
        classes=references.classes(),
        functions=syntax.function_lines(),
        patches=PatchReader(syntax, names, text).patches(),
        updates=updates,
        workers=workers,
        sent=sent,
        variables=variables,
        pins=references.pins() if path.name == "setup.py" else (),
        comparisons=gates.compared_as_text(text),
        use=read_use(
            syntax,
            names,
            reader,
            calls=calls,
            arguments=arguments,
            attributes=attributes,
            variables=variables,
            updates=updates,
            workers=workers,
            sent=sent,
            chains=chains,
            path=path,
            source=source,
        ),
        suppressions=suppressions(source),
        never_imports=never_imported(syntax, gates, package) if gates.decides else frozenset(),
        may_import=may_import(syntax, package) if index is not None else frozenset(),
        configurations=ConfigurationReader(syntax, text).read(reader.nodes, calls),
    )


def _parse(path: PurePosixPath, source: bytes) -> tuple[ParsedPython, Syntax]:
    parsed = parse_python(path, source)
    return parsed, Syntax(parsed.module)


def package_of(path: PurePosixPath) -> str:
    """The dotted package a file lies in, taking the root as the import root."""
    parts = path.parts[:-1]
    return ".".join(part for part in parts if part.isidentifier())
