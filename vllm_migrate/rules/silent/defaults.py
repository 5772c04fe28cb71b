"""What the rules on defaults share: adding the argument that restores what V0 did, if it is unset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, InsertStatement
from vllm_migrate.facts.model import Remedy, Subject
from vllm_migrate.rules.engines import answers_requests, engine_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit
    from vllm_migrate.facts.model import Change
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call
    from vllm_migrate.rules.base import Context

_PREFIX = b"prefix"
_TURNED_OFF = re.compile(
    rb"if [^\n]*\benable_prefix_caching\b[^\n]*:\s*\n\s*[\w.]+\.enable_prefix_caching\s*=\s*False\b"
)

_FALSE = re.compile(rb"(?<![.\w])enable_prefix_caching=False\b")
_MAY_BE_TRUE = re.compile(
    rb"enable-prefix-caching"
    rb"|enable_prefix_caching(?!\s*=\s*(?:False\b|enable_prefix_caching\b)|\s*:\s*bool\s*,|\s*\(bool\)|\s*[,)])"
)
"""Any mention but False for it, a name that is handed on, a parameter, and what a docstring says of it."""


def default_change(name: str, context: Context) -> Change | None:
    """The change of a default, where the target has a setting that restores it or a person has to."""
    change = context.facts.change(Subject.DEFAULT, name, context.source, context.target)
    return change if change and change.after and change.after.remedy is not Remedy.NONE else None


def setting(change: Change) -> tuple[str, str]:
    """Name and value of the argument that restores the old default."""
    name, _, value = (change.after.to if change.after else "").partition("=")
    return name, value


def calls_with(file: FileFacts, name: str) -> Iterator[tuple[Call, Argument | None]]:
    """Calls that build an engine, with what their author wrote for this argument."""
    for call in engine_calls(file):
        yield call, call.argument(name)


def unwritten(file: FileFacts, name: str, context: Context) -> Iterator[Call]:
    """Calls that build an engine for rollouts without this argument, as far as can be seen.

    Not those whose `**` can't be followed in a project that writes the argument for an engine elsewhere.
    """
    for call, written in calls_with(file, name):
        if answers_requests(call, context.project):
            continue
        if written is None and not is_passed_on(call, name, context):
            yield call


def is_passed_on(call: Call, name: str, context: Context) -> bool:
    """Whether a `**` that can't be followed may well hold the argument: the project writes it elsewhere.

    A call of the user's own wrapper leaves it to the call within, which is judged by itself.
    """
    return call.wrapped or (call.open_ended and name in context.project.passes_on)


def cache_turned_off(file: FileFacts, context: Context) -> bool:
    """Whether the project switches prefix caching off where its command line asks for it.

    `if args.enable_prefix_caching: args.enable_prefix_caching = False`: what reaches an engine by a name is
    False then. So it is where the project writes nothing but False for it anywhere, and only hands it on. An
    engine of the file for which True is written keeps its cache.
    """
    if context.mentions is None:
        return False
    if not context.mentions.matches(_TURNED_OFF, _PREFIX) and (
        not context.mentions.matches(_FALSE, _PREFIX) or context.mentions.matches(_MAY_BE_TRUE, _PREFIX)
    ):
        return False
    given = [call.argument("enable_prefix_caching") for call in engine_calls(file)]
    return any(given) and all(one is None or one.value.literal is not True for one in given)


def add(call: Call, change: Change) -> tuple[Edit, ...]:
    """The edit that adds the setting, if it is unset.

    Where a `**` that can't be followed might hold it already, it becomes a default of that dictionary; none
    where the dictionary is not the function's own.
    """
    if call.open_ended and not call.presets:
        if call.own_mapping_before is None:
            return ()
        name, value = setting(change)
        code = f'{call.own_mapping}.setdefault("{name}", {value})'
        return (InsertStatement(call.own_mapping_before, code, before=True),)
    return (AddArgument(call.span, *setting(change)),)
