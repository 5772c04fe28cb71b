"""TOML: the requirements in pyproject.toml, pixi.toml, uv.toml and Pipfiles, and vLLM's settings in any."""

from __future__ import annotations

import codecs
import itertools
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Pin, Span
from vllm_migrate.files.pins import canonical, pin_in
from vllm_migrate.files.settings import NOWHERE
from vllm_migrate.files.text import as_latin1
from vllm_migrate.files.toml_settings import settings_in

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts

_HEADER = re.compile(r"^[ \t]*\[\[?[ \t]*([^\]\n]+?)[ \t]*\]\]?[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)
_ARRAY = re.compile(r"""^[ \t]*["']?([\w.-]+)["']?[ \t]*=[ \t]*\[""", re.MULTILINE)
_STRING = re.compile(r"""#[^\n]*|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|[\[\]{}]""")
_POETRY = re.compile(
    r"""^[ \t]*["']?([\w.-]+)["']?[ \t]*=[ \t]*(?:\{[^}\n]*?\bversion[ \t]*=[ \t]*)?["']([^"'\n]*)["']""",
    re.MULTILINE,
)
_ANY_KEY = (
    "project.optional-dependencies",
    "dependency-groups",
    "tool.hatch.envs",
    "tool.pdm.dev-dependencies",
)
_KEYS = {
    "project": {"dependencies", "optional-dependencies"},
    "build-system": {"requires"},
    "tool.uv": {
        "dev-dependencies",
        "constraint-dependencies",
        "override-dependencies",
        "build-constraint-dependencies",
    },
}
_UV = _KEYS["tool.uv"]
# Poetry's tables; those of pixi, in a file of its own or below `tool`; a Pipfile's.
_NAMES = (
    r"tool\.poetry(?:\.group\.[\w.-]+)?\.(?:dev-)?dependencies"
    r"|(?:tool\.pixi\.)?(?:feature\.[\w-]+\.)?(?:target\.[\w-]+\.)?(?:pypi-|host-)?dependencies"
    r"|(?:dev-)?packages"
)
_NAMES_TABLE = re.compile(_NAMES)
_TABLE_OF_ONE = re.compile(rf"(?:{_NAMES})\.(?P<package>[\w-]+)")
_VERSION = re.compile(r"""^[ \t]*version[ \t]*=[ \t]*["']([^"'\n]*)["']""", re.MULTILINE)
_CARET = re.compile(r"[\^~]\s*(\d+(?:\.\d+)*)")


def read_toml(
    path: PurePosixPath, source: bytes, reached: Mapping[tuple[str, ...], str] = NOWHERE
) -> FileFacts:
    """What a TOML file says about vLLM.

    Args:
        path: of the file; a uv.toml has its requirements outside of any table.
        source: its bytes.
        reached: for key paths whose entries the project's code hands on as keywords, what takes them, as in
            `Argument.owner`.

    Raises:
        InputError: where it is not valid TOML.
    """
    try:
        tomllib.loads(source.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not valid TOML: {error}") from None
    text = as_latin1(source)
    if source.startswith(codecs.BOM_UTF8):
        text = "   " + text[3:]  # offsets stay what they are
    pins = [pin for table, start, end in _tables(text) for pin in _pins(text, table, start, end)]
    if path.name == "uv.toml":
        pins += _arrays(text, _UV, 0, next(_tables(text), ("", len(text), 0))[1])
    facts = settings_in(path, source, text, reached)
    known = {pin.span for pin in pins}
    return replace(facts, pins=(*pins, *(pin for pin in facts.pins if pin.span not in known)))


def _tables(text: str) -> Iterator[tuple[str, int, int]]:
    headers = [m for m in _HEADER.finditer(text) if not _inside_array(text, m.start())]
    for header, after in itertools.zip_longest(headers, headers[1:]):
        name = re.sub(r"[\s\"']", "", header[1])
        yield name, header.end(), after.start() if after else len(text)


def _inside_array(text: str, at: int) -> bool:
    """A line of an array of arrays looks like a header; what stands before it on its table tells."""
    before = text[:at].rstrip()
    return before.endswith((",", "["))


def _pins(text: str, table: str, start: int, end: int) -> Iterator[Pin]:
    if _NAMES_TABLE.fullmatch(table):
        for match in _POETRY.finditer(text, start, end):
            if match[1] != "python":
                yield _poetry_pin(match)
        return
    one = _TABLE_OF_ONE.fullmatch(table)
    version = _VERSION.search(text, start, end) if one else None
    if one and version:
        written = Span(*version.span(1))
        yield Pin(canonical(one["package"]), _in_pep440(version[1].strip()), written, written)
    keys = _KEYS.get(table)
    if keys is not None or table.startswith(_ANY_KEY):
        yield from _arrays(text, keys, start, end)


def _arrays(text: str, keys: set[str] | None, start: int, end: int) -> Iterator[Pin]:
    for array in _ARRAY.finditer(text, start, end):
        if keys is None or array[1].partition(".")[0] in keys:
            yield from _strings(text, array.end(), end)


def _strings(text: str, start: int, end: int) -> Iterator[Pin]:
    depth = 1
    for match in _STRING.finditer(text, start, end):
        if match.group() in ("[", "]", "{", "}"):
            depth += 1 if match.group() in ("[", "{") else -1
            if depth == 0:
                return
        if depth > 1:
            continue  # inside an inline table, such as {include-group = "test"}
        group = next((i for i in (1, 2) if match[i] is not None), 0)
        pin = pin_in(text, *match.span(group)) if group else None
        if pin is not None:
            yield pin


def _poetry_pin(match: re.Match[str]) -> Pin:
    specifier = _in_pep440(match[2].strip())
    return Pin(canonical(match[1]), specifier, Span(match.start(1), match.end(2)), Span(*match.span(2)))


def _in_pep440(written: str) -> str:
    """Poetry writes `^0.8.5`, `~0.8`, `0.8.5`: the same as a specifier of PEP 440."""
    caret = _CARET.fullmatch(written)
    if caret:
        parts = [int(part) for part in caret[1].split(".")]
        keep = (
            1
            if written.startswith("~")
            else next((i for i, part in enumerate(parts) if part), len(parts) - 1)
        )
        keep = min(keep, len(parts) - 1)
        upper = ".".join(str(part) for part in [*parts[:keep], parts[keep] + 1])
        return f">={caret[1]},<{upper}"
    if written[:1].isdigit():
        return f"=={written}"
    return "" if written == "*" else written
