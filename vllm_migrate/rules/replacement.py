"""What takes an argument's place, in the form the argument is written in."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, RenameArgument, ReplaceText
from vllm_migrate.edits.settings import toml_value
from vllm_migrate.facts.model import Remedy
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import UNRESOLVED, Form, Span
from vllm_migrate.rules.removal import remove_argument, written_as_toml
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.facts.model import State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument


@dataclass(frozen=True, slots=True)
class Replacement:
    """What becomes of one written argument.

    Attributes:
        edits: the edits; empty where a person has to do it.
        text: what stands there afterwards, as Python would write it; "" where the argument just goes.
        decided: whether the facts say what to do for this value.
    """

    edits: tuple[Edit, ...]
    text: str
    decided: bool


def replace_argument(file: FileFacts, argument: Argument, state: State) -> Replacement:
    """Carry out a state's remedy for one argument."""
    literal = _literal(argument)
    if literal in state.values:
        return _become(file, argument, state.values[literal])
    if state.remedy is Remedy.DROP:
        return _become(file, argument, "")
    if state.remedy is Remedy.RENAME:
        return Replacement(
            _rename(file, argument, state.to, None), f"{state.to}={argument.value.source}", decided=True
        )
    return Replacement((), "", decided=False)


def _literal(argument: Argument) -> str:
    """The value as Python writes it; a flag without a value is true."""
    if argument.form is Form.FLAG and not argument.value.source:
        return "True"
    return "" if argument.value.literal is UNRESOLVED else repr(argument.value.literal)


def _become(file: FileFacts, argument: Argument, text: str) -> Replacement:
    pairs = _pairs(text)
    if not pairs:
        edit = remove_argument(file, argument)
        return Replacement((edit,) if edit else (), "", decided=True)
    edits = _rename(file, argument, *pairs[0])
    if len(pairs) > 1:
        if argument.form is Form.KEYWORD and argument.call >= 0 and edits:
            call = file.calls[argument.call].span
            edits += tuple(AddArgument(call, name, value) for name, value in pairs[1:])
        else:
            edits = ()
    return Replacement(edits, text, decided=True)


def _pairs(text: str) -> list[tuple[str, str]]:
    """`a=1, b="x"` as names and the values' source."""
    if not text:
        return []
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call):
        return []
    source = f"f({text})"
    return [(k.arg or "", ast.get_source_segment(source, k.value) or "") for k in call.keywords]


def _rename(file: FileFacts, argument: Argument, name: str, value: str | None) -> tuple[Edit, ...]:
    if argument.fixed:
        return ()
    if argument.form in (Form.KEYWORD, Form.DICT):
        return (RenameArgument(argument.span, name, value),)
    if argument.items is not None:
        return _renamed_items(file, argument, name.replace("_", "-"), value)
    if file.kind is FileKind.SHELL and argument.form is Form.FLAG:
        flag = name.replace("_", "-")
        if value is None:
            return (ReplaceText(argument.name_span, flag),)
        return (ReplaceText(argument.span, f"--{flag}{_shell_value(value)}"),)
    if file.kind is FileKind.TOML and argument.form is Form.KEY and written_as_toml(file, argument):
        if value is None:
            return (ReplaceText(argument.name_span, name),)
        written = toml_value(ast.literal_eval(value))
        if argument.value_span is not None and written:
            return (ReplaceText(argument.name_span, name), ReplaceText(argument.value_span, written))
    if file.kind is FileKind.YAML and argument.form is Form.KEY:
        if value is None:
            return (ReplaceText(argument.name_span, name),)
        if argument.value_span is not None:
            return (
                ReplaceText(argument.name_span, name),
                ReplaceText(argument.value_span, json.dumps(ast.literal_eval(value))),  # YAML reads JSON
            )
    return ()


def _renamed_items(file: FileFacts, argument: Argument, flag: str, value: str | None) -> tuple[Edit, ...]:
    """Another name, and value, for a flag whose words are items of a list, quoted or not."""
    named = ReplaceText(argument.name_span, flag)
    if value is None:
        return (named,)
    place = argument.value_span
    literal = ast.literal_eval(value)
    if place is None or isinstance(literal, bool):
        return ()  # an item more or less
    word = json.dumps(literal) if isinstance(literal, dict) else str(literal)
    around = Span(place.start - 1, place.end + 1)
    quote = file.text(around)[:1]
    if quote in ("'", '"') and file.text(around)[-1:] == quote:
        return (named, ReplaceText(around, f"'{word}'" if '"' in word else f"{quote}{word}{quote}"))
    return () if word != word.strip() or set(word) & set("{}[],:#\"'") else (named, ReplaceText(place, word))


def _shell_value(value: str) -> str:
    if value == "True":
        return ""
    literal = ast.literal_eval(value)
    if isinstance(literal, dict):
        return f" '{json.dumps(literal)}'"
    return f" {literal}"
