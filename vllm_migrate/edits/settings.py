"""Adding a setting where user code keeps its settings: a keyword, a YAML key, a server's flag."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, InsertStatement, ReplaceText
from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.located import Argument, Call
    from vllm_migrate.files.yaml_tree import YamlNode

_PLAIN_FLAG = re.compile(r"--[\w-]+(?:=[\w.+-]+)?")
_ITEM = re.compile(rb"[ ]*-[ ]+")
_PLAIN_WORDS = frozenset({"", "null", "true", "false", "yes", "no", "on", "off", "~"})


def argument(call: Call, name: str, value: object) -> Edit | None:
    """The edit that gives a call one more argument; None where its `**` can't be known to lack it.

    Where that `**` is a dictionary of the function's own, it gets a default there, which what a caller gives
    overrides.
    """
    if not call.open_ended:
        return AddArgument(call.span, name, python_source(value))
    if call.own_mapping_before is None:
        return None
    code = f"{call.own_mapping}.setdefault({json.dumps(name)}, {python_source(value)})"
    return InsertStatement(call.own_mapping_before, code, before=True)


def yaml_key(source: bytes, mapping: YamlNode, name: str, value: object) -> Edit | None:
    """The edit that gives a mapping one more key, behind its last one; None for a mapping without a place."""
    last = next(reversed(mapping.keys.values()), None)
    entry = last.entry if last is not None else None
    if entry is None:
        return None
    written = f"{name}: {yaml_source(value)}"
    if entry.flow:
        return ReplaceText(Span(entry.end, entry.end), f", {written}")
    line_end = b"\r\n" if b"\r\n" in source else b"\n"
    indent = " " * entry.indent
    # Behind the lines of the last entry that say something: comments below belong to what follows.
    end = entry.end
    ended = source[:end].endswith(b"\n")
    text = f"{indent}{written}{line_end.decode()}" if ended else f"{line_end.decode()}{indent}{written}"
    return ReplaceText(Span(end, end), text)


def server_flag(server: Span, name: str, value: object) -> Edit:
    """The edit that gives a server's command one more flag, behind the word that names the server."""
    return ReplaceText(Span(server.end, server.end), f" {flag(name, value)}")


def flag_before(source: bytes, argument: Argument, name: str, value: object) -> Edit | None:
    """The edit that gives a command within YAML or TOML one more flag, in front of one that it has.

    Words written one by one (`["--seed", "1"]`, or an item a line) get one more word; a command in one text
    gets it there. None where the word would need quotes that the text around it may give another meaning.

    Args:
        source: of the file.
        argument: a flag of the command.
        name: of the setting.
        value: its value.
    """
    word = flag(name, value).replace(" ", "=", 1)
    if not _PLAIN_FLAG.fullmatch(word):
        return None
    if argument.items is None:
        return ReplaceText(Span(argument.span.start, argument.span.start), f"{word} ")
    start = argument.span.start
    line = source.rfind(b"\n", 0, start) + 1
    before = source[line:start]
    if _ITEM.fullmatch(before):
        line_end = "\r\n" if source[line:].split(b"\n", 1)[0].endswith(b"\r") else "\n"
        return ReplaceText(Span(line, line), f"{before.decode()}{word}{line_end}")
    if argument.items.start > start or before.rstrip().endswith(b"-"):
        return None  # `- - --seed`: an item among items, whose line says more than itself
    quote = source[start : start + 1].decode("latin-1")
    quote = quote if quote in "\"'" else ""
    return ReplaceText(Span(start, start), f"{quote}{word}{quote}, ")


def flag(name: str, value: object) -> str:
    """A setting as a flag of `vllm serve`."""
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        return shlex.quote(f"--{dashed}" if value else f"--no-{dashed}")
    written = value if isinstance(value, str) else json.dumps(value)
    return f"{shlex.quote(f'--{dashed}')} {shlex.quote(written)}"


def python_source(value: object) -> str:
    """Python source of a value as JSON has them; texts in double quotes."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        items = ", ".join(f"{python_source(key)}: {python_source(item)}" for key, item in value.items())
        return f"{{{items}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(python_source(item) for item in value)}]"
    return repr(value)


def yaml_source(value: object) -> str:
    """A value as YAML has it on one line; JSON's form, which YAML reads, for all but plain words."""
    if isinstance(value, str) and value.replace("_", "a").replace("-", "a").isalnum():
        plain = value.lower() not in _PLAIN_WORDS and not value[:1].isdigit() and not value.startswith("-")
        return value if plain else json.dumps(value)
    return json.dumps(value)


def toml_value(value: object) -> str:
    """A value as TOML writes it on one line; "" for None, which TOML has no word for."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        pairs = [f"{json.dumps(str(key))} = {toml_value(below)}" for key, below in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value)
