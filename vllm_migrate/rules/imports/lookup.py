"""What both import rules ask: which imports and dotted uses of this file does the target lack?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.rules.scope import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Import, Reference
    from vllm_migrate.rules.base import Context

# Written about by the rule on constrained decoding, which has more to change than the import.
_ELSEWHERE = frozenset({"guided-decoding-params"})


def broken_imports(file: FileFacts, context: Context) -> Iterator[tuple[Import, Fact, State]]:
    """Imports the target lacks, with what became of them; not dead ones, nor those with a working twin."""
    for name in file.imports:
        found = None if name.dead or name.own else context.import_state(name.qualified)
        if found and found[0].id not in _ELSEWHERE and not _has_twin(name, file, context):
            yield name, *found


def _has_twin(name: Import, file: FileFacts, context: Context) -> bool:
    """Whether the same local name is also bound by an import that works on the target.

    One of the two must expect to fail: this one, or, in the same function, the one that is tried first.
    """
    return any(
        other is not name
        and other.alias == name.alias
        and not other.dead
        and (name.guarded or (other.guarded and _comes_first(other, name, file)))
        and not context.import_state(other.qualified)
        for other in file.imports
    )


def _comes_first(one: Import, other: Import, file: FileFacts) -> bool:
    """Whether two imports stand in the same function, in this order."""
    return (
        one.span < other.span
        and is_visible(file, one.span, other.span)
        and is_visible(file, other.span, one.span)
    )


def broken_references(file: FileFacts, context: Context) -> Iterator[tuple[Reference, Fact, State]]:
    """Dotted uses the target lacks that hang on no import reported already, and on no rule of their own."""
    imported = {name.qualified for name in file.imports if context.import_state(name.qualified)}
    guarded = {name.qualified for name in file.imports if name.guarded or name.dead}
    for reference in file.references:
        if reference.dead or reference.context not in ("name", "string", "assign"):
            continue
        if is_reported_elsewhere(reference, context):
            continue
        if any(
            reference.qualified == one or reference.qualified.startswith(f"{one}.")
            for one in imported | guarded
        ):
            continue
        found = context.import_state(reference.qualified)
        if found and found[0].id not in _ELSEWHERE and not _is_worker_string(reference):
            yield reference, *found


def where_unused(name: Import, file: FileFacts, advice: str) -> str:
    """The advice about an import that can go because the file says its name nowhere else; else as given.

    A package's own module brings names for others, and so does one that lists what it exports.
    """
    if name.name in ("", "*") or file.path.stem == "__init__" or b"__all__" in file.source:
        return advice
    word = re.compile(rf"(?<!\w){re.escape(name.alias)}(?!\w)".encode(file.encoding))
    around = (file.source[: name.statement.start], file.source[name.statement.end :])
    if any(word.search(part) for part in around):
        return advice
    unused = (
        f"nothing in this file uses {name.alias}: remove the import, unless another module takes it from here"
    )
    return f"{unused}; else: {advice}" if advice else unused


def is_reported_elsewhere(reference: Reference, context: Context) -> bool:
    """Whether the project's own module that brings a name is where it is imported, and nothing is to do here.

    `from .types import ChatCompletionRequest`, of a module that imports it from vLLM: once that import is
    mended every use of the name is. What is written here of a module, `own.vllm.utils.x`, is at fault here.
    """
    return bool(reference.brought) and (
        reference.brought == reference.qualified or bool(context.import_state(reference.brought))
    )


def _is_worker_string(reference: Reference) -> bool:
    """Whether a string names a worker class: worker_cls has a rule of its own, and others are but text."""
    return (
        reference.context == "string"
        and reference.certainty is not Certainty.CERTAIN
        and (reference.certainty is Certainty.GUESS or reference.qualified.startswith("vllm.worker."))
    )
