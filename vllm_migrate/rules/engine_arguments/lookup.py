"""What both rules on engine arguments ask."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Remedy, Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

KINDS = (FileKind.PYTHON, FileKind.SHELL, FileKind.YAML, FileKind.TOML)


def changed_arguments(file: FileFacts, context: Context) -> Iterator[tuple[Argument, Fact, State]]:
    """Engine arguments the target doesn't take as they are."""
    for argument in file.arguments:
        if argument.owner != "engine" or argument.dead:
            continue
        is_flag = argument.form is Form.FLAG and context.facts.knows(Subject.FLAG, argument.name)
        subject = Subject.FLAG if is_flag else Subject.ENGINE_ARGUMENT
        found = context.facts.on_target(subject, argument.name, context.target)
        if found is not None and not is_of_others_too(file, argument, context):
            yield argument, *found


def is_of_others_too(file: FileFacts, argument: Argument, context: Context) -> bool:
    """Whether a place is the project's own setting, of which the engine's argument is one use of several.

    With `LLM(device=config.device)` and `model.to(config.device)` the field `device` stays, and only the
    keyword goes, which is told where it stands. So does a field of another name, which is no argument's. A
    field that reaches the engine as a part of its object has no other place, but an option of a parser whose
    options `from_cli_args` takes only stops being taken.
    """
    if file.kind is not FileKind.PYTHON or argument.form is not Form.KEY or context.mentions is None:
        return False
    own = file.text(argument.name_span).strip("\"'-").replace("-", "_").encode()
    name = argument.name.encode()
    read = re.compile(rb"\." + own + rb"\b")
    handed = re.compile(rb"\b" + name + rb"\s*=\s*[\w.]*\." + own + rb"\b")
    sources = [source for _, source in context.mentions.code(b"." + own, PurePosixPath())]
    as_keyword = sum(len(handed.findall(source)) for source in sources)
    reads = sum(len(read.findall(source)) for source in sources)
    if b"add_argument" in file.source[argument.span.start : argument.span.end]:
        # from_cli_args passes over options that the engine doesn't have.
        return as_keyword < reads and (as_keyword > 0 or context.mentions.any_of(".from_cli_args("))
    return as_keyword > 0 and (as_keyword < reads or own != name)


def asks_for_nothing(file: FileFacts, argument: Argument, context: Context) -> bool:
    """Whether a key of a settings file is null, where null was no value of the argument's.

    `swap_space: null` was passed to no engine, which would have refused it: whoever reads the file leaves
    such keys out.
    """
    if file.kind not in (FileKind.YAML, FileKind.TOML) or argument.form is not Form.KEY:
        return False
    if argument.value.literal is not None:
        return False
    taken = context.api.at(str(context.source.version)).parameters("vllm.AsyncEngineArgs") or {}
    return taken.get(argument.name, "None") != "None"


def has_successor(state: State) -> bool:
    """Whether the argument lives on under another name, for some of its values at least."""
    return state.remedy is Remedy.RENAME or bool(state.to) or any(state.values.values())


def written(argument: Argument) -> str:
    """The argument as its author knows it."""
    return f"--{argument.name.replace('_', '-')}" if argument.form is Form.FLAG else argument.name
