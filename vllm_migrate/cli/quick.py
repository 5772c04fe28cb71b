"""Reads option values without pydantic.

Recent typer converts every option's value through a pydantic adapter; importing pydantic and building the
adapters costs more CPU time than checking a small project. The static commands take only strings, paths,
choices and switches, which are converted here. Where typer has no such adapter (before 0.29, or after it has
changed again) nothing is done.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import typer
import typer.core

if TYPE_CHECKING:
    from collections.abc import Iterable

_SLOT = "_runtime_param"


def convert_plainly(params: Iterable[Any]) -> None:
    """Let these parameters be converted by `Plain` where typer would build an adapter."""
    for param in params:
        annotation = getattr(getattr(param, "type_descriptor", None), "annotation", None)
        if hasattr(param, _SLOT) and _is_plain(annotation):
            setattr(param, _SLOT, Plain(annotation))


class QuickHelp:
    """Mixed into a command: its `--help` is converted plainly, too, which typer makes on its own."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option, or None where the command has none."""
        option = super().get_help_option(ctx)  # type: ignore[misc]  # of the command this is mixed into
        if option is not None:
            convert_plainly([option])
        return option


class QuickCommand(QuickHelp, typer.core.TyperCommand):
    """A command of ours."""


class Plain:
    """Converts the words of one option to its annotation: str, bool, Path, an Enum, or a list of these."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value for the command's function.

        Raises:
            typer.BadParameter: where it is none of the choices.
        """
        many = param.multiple or param.nargs == -1
        if value is None:
            return () if many else None
        if many:
            (kind,) = get_args(self.annotation)
            return [_one(kind, item, param, ctx) for item in value]
        return _one(self.annotation, value, param, ctx)


def _is_plain(annotation: Any) -> bool:
    if get_origin(annotation) is list:
        return all(_is_plain(kind) for kind in get_args(annotation))
    return isinstance(annotation, type) and (annotation in (str, bool, Path) or issubclass(annotation, Enum))


def _one(kind: Any, value: Any, param: Any, ctx: Any) -> Any:
    if isinstance(value, kind):
        return value
    if issubclass(kind, Enum):
        choices = [choice.value for choice in kind]
        if value not in choices:
            named = ", ".join(repr(choice) for choice in choices)
            raise typer.BadParameter(f"{value!r} is not one of {named}.", ctx=ctx, param=param)
    return kind(value)
