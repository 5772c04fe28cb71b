"""Dockerfiles: each command and each setting of variables is a shell script of its own; images are pins."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.dockerfile_lines import Instruction, instructions
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.images import image_pin
from vllm_migrate.files.json_places import items
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Pin, PinForm, Span
from vllm_migrate.files.parts import Collector, Part
from vllm_migrate.files.suppressions import suppressions
from vllm_migrate.files.text import as_latin1, newline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import PurePosixPath

    Reader = Callable[[FileKind, bytes], FileFacts]

_OPTION = re.compile(r"(?:--[\w-]+(?:=\S*)?(?:[ \t]|\\\r?\n)+)*")
_OLD_ENV = re.compile(r"([A-Za-z_]\w*)([ \t]+)([^\\\n]*?)[ \t]*\r?(?:\n|\Z)")
_SHELLS = re.compile(r"(?:(?:\S*/)?(?:env[ \t]+)?(?:ba|da|z|k)?sh(?:[ \t]+-\w+)*)?")
_PYTHONS = re.compile(r"(?:\S*/)?python[\d.]*(?:[ \t]+-)?")
_SERVER = re.compile(r"\bvllm\b\W+serve\b|vllm\.entrypoints\.[\w.]*api_server\b")
_IMAGE = re.compile(r"\S+")
_STAGE_OF = re.compile(r"--from=(\S+)")
_USED_AS_VERSION = re.compile(
    r"\bvllm(?:\[[^\]\n]*\])?[ \t]*==[ \t]*\$\{?(\w+)|\bvllm/vllm-openai:v?\$\{?(\w+)"
)
_RELEASE = r"""(?:[ \t]*=[ \t]*|[ \t]+)["']?v?(\d+\.\d+(?:\.\d+)?(?:\.post\d+)?)(?=["'\s]|\Z)"""
_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
SERVER = b"vllm serve"
"""Stands before the words of a CMD that are handed to the server of the image or of ENTRYPOINT."""
_SAFE = re.compile(r"[\w@%+=:,./-]+")


def read_dockerfile(path: PurePosixPath, source: bytes, read: Reader) -> FileFacts:
    """The images a Dockerfile builds on, and its commands and variables as parts.

    Args:
        path: of the Dockerfile.
        source: its bytes.
        read: reads a part as a file of the kind it is of.

    Raises:
        InputError: where it is no Dockerfile, or a command in it can't be read.
    """
    text = as_latin1(source)
    found = list(instructions(text))
    silenced = suppressions(source)
    silenced = {**silenced, **_spread(text, found, silenced)} if silenced else silenced
    parts: list[Part] = []
    for instruction, serves in zip(found, _serves(text, found), strict=True):
        part = _part(source, text, instruction, read, serves=serves)
        if part is not None:
            parts.append(_settled(part, instruction, text, silenced))
    return FileFacts(
        path=path,
        kind=FileKind.DOCKERFILE,
        source=source,
        newline=newline_of(source),
        pins=tuple(sorted(_pins(text, found), key=lambda pin: pin.span)),
        suppressions=silenced,
        parts=tuple(parts),
    )


def _spread(
    text: str, found: Sequence[Instruction], silenced: dict[int, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    """A comment above an instruction, or between its lines, is about all of it."""
    spread: dict[int, tuple[str, ...]] = {}
    for instruction in found:
        first = text.count("\n", 0, instruction.lines.start) + 1
        last = first + max(0, text.count("\n", instruction.lines.start, instruction.lines.end) - 1)
        codes = tuple(code for line in range(first, last + 1) for code in silenced.get(line, ()))
        if codes:
            spread.update(dict.fromkeys(range(first, last + 1), codes))
    return spread


def _settled(part: Part, instruction: Instruction, text: str, silenced: dict[int, tuple[str, ...]]) -> Part:
    """The part with what the rest of the file says about it: comments, and variables that others use."""
    line = text.count("\n", 0, instruction.lines.start) + 1
    codes = tuple(str(code) for code in silenced.get(line, ()))
    facts = part.facts
    lines = range(1, facts.source.count(b"\n") + 2)
    own = {n: (*facts.suppressions.get(n, ()), *codes) for n in lines} if codes else facts.suppressions
    before, after = text[: instruction.lines.start], text[instruction.lines.end :]
    variables = tuple(
        replace(v, removable=v.removable and not re.search(rf"\$\{{?{v.name}\b", before + after))
        for v in facts.variables
    )
    return replace(part, facts=replace(facts, suppressions=own, variables=variables))


# Instructions


def _part(source: bytes, text: str, instruction: Instruction, read: Reader, *, serves: bool) -> Part | None:
    kind, whole, words = FileKind.SHELL, None, False
    out = Collector(source)
    if instruction.keyword in ("ENV", "ARG"):
        whole = instruction.lines
        _setting(out, text, instruction)
    elif instruction.keyword in ("RUN", "CMD", "ENTRYPOINT"):
        strings = _strings(text, instruction)
        if strings is not None:
            words = True
            appended = serves and instruction.keyword == "CMD"
            _words(out, text, strings, prefix=appended)
            if appended and strings:
                whole = Span(strings[0].start, strings[-1].end)  # `CMD []` adds nothing, as no words do
        elif instruction.heredocs:
            inside = _script(text, instruction)
            if inside is None:
                return None
            kind = inside
            out.take(instruction.heredocs[0].body.start, instruction.heredocs[0].body.end)
        else:
            whole = instruction.lines if instruction.keyword == "RUN" else None
            _command(out, text, instruction)
    if not out.size:
        return None
    try:
        facts = read(kind, out.text)
    except InputError as error:
        line = text.count("\n", 0, instruction.lines.start) + 1
        raise InputError(f"line {line}: {instruction.keyword}: {error.message}", hint=error.hint) from None
    return Part(facts, out.segments, whole=whole, words=words)


def _setting(out: Collector, text: str, instruction: Instruction) -> None:
    """`ENV A=1 B=2` as `export A=1 B=2`, and the older `ENV A 1` as `export A='1'`."""
    keyword, content = instruction.keyword_span, instruction.content
    old = _OLD_ENV.fullmatch(text, content[0].start, content[0].end)
    out.put(b"export", keyword.start, keyword.end)
    out.take(keyword.end, content[0].start)
    if old is None or instruction.keyword != "ENV" or "=" in old[1]:
        for span in content:
            out.take(span.start, span.end)
        return
    quote = b"" if _SAFE.fullmatch(old[3]) else b'"' if "'" in old[3] or "$" in old[3] else b"'"
    out.take(*old.span(1))
    out.put(b"=" + quote, *old.span(2))
    out.take(*old.span(3))
    out.put(quote, old.end(3), old.end(3))


def _command(out: Collector, text: str, instruction: Instruction) -> None:
    """A command in shell form, without the options of RUN before it."""
    start = instruction.content[0].start
    option = _OPTION.match(text, start, instruction.content[-1].end) if instruction.keyword == "RUN" else None
    start = option.end() if option else start
    for span in instruction.content:
        out.take(max(start, span.start), span.end)


def _script(text: str, instruction: Instruction) -> FileKind | None:
    """What a heredoc's body is: a script for the shell or Python that RUN hands it to, or something else."""
    if instruction.keyword != "RUN" or len(instruction.heredocs) != 1:
        return None
    heredoc = instruction.heredocs[0]
    before = text[instruction.content[0].start : heredoc.mark.start]
    after = text[heredoc.mark.end : instruction.content[-1].end]
    option = _OPTION.match(before)
    command = before[option.end() if option else 0 :].strip()
    if after.strip():
        return None
    if _SHELLS.fullmatch(command):
        return FileKind.SHELL
    return FileKind.PYTHON if _PYTHONS.fullmatch(command) and not heredoc.tabs else None


# The exec form: a JSON array of words


def _strings(text: str, instruction: Instruction) -> list[Span] | None:
    """The places of the strings of `["vllm", "serve"]`, None where the instruction has shell form."""
    start, end = instruction.content[0].start, instruction.content[-1].end
    kept = [" "] * (end - start)
    for span in instruction.content:
        line = _CONTINUED.sub(lambda match: " " * len(match.group()), text[span.start : span.end])
        kept[span.start - start : span.end - start] = line
    joined = "".join(kept)
    first = len(joined) - len(joined.lstrip())
    try:
        value = json.loads(joined)
    except ValueError:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return [Span(start + place.start, start + place.end) for place in items(joined, first)]


def _words(out: Collector, text: str, strings: list[Span], *, prefix: bool) -> None:
    """The words as a command: each as it is, quoted where a shell would need that."""
    for index, place in enumerate(strings):
        start, end = place.start + 1, place.end - 1
        word = text[start:end]
        if index:
            out.put(b" ", strings[index - 1].end - 1, start)
        elif prefix:
            out.put(SERVER + b" ", start, start)
        if _SAFE.fullmatch(word):
            out.take(start, end)
        elif "'" in word or "\\" in word or not word:
            meant = json.loads(f'"{word}"').encode("latin-1", "replace").decode("utf-8", "replace")
            out.put(shlex.quote(meant).encode(), start, end)
        else:
            out.put(b"'", start, start)
            out.take(start, end)
            out.put(b"'", end, end)


def _serves(text: str, found: Sequence[Instruction]) -> list[bool]:
    """For each instruction, whether the words of CMD go to a server: of the image, or of ENTRYPOINT."""
    answers: list[bool] = []
    for index, instruction in enumerate(found):
        first = max((i for i in range(index + 1) if found[i].keyword == "FROM"), default=0)
        last = next((i for i in range(index + 1, len(found)) if found[i].keyword == "FROM"), len(found))
        stage = found[first:last]
        entry = next((i for i in reversed(stage) if i.keyword == "ENTRYPOINT"), None)
        if instruction.keyword != "CMD":
            answers.append(False)
        elif entry is not None:
            answers.append(_strings(text, entry) is not None and bool(_SERVER.search(_content(text, entry))))
        else:
            answers.append(stage[0].keyword == "FROM" and "vllm/vllm-openai" in _content(text, stage[0]))
    return answers


def _content(text: str, instruction: Instruction) -> str:
    return "".join(text[span.start : span.end] for span in instruction.content)


# Versions


def _pins(text: str, found: Sequence[Instruction]) -> Iterator[Pin]:
    names = {name for match in _USED_AS_VERSION.finditer(text) for name in match.groups() if name}
    for instruction in found:
        start, end = instruction.content[0].start, instruction.content[-1].end
        if instruction.keyword == "FROM":
            option = _OPTION.match(text, start, end)
            image = _IMAGE.match(text, option.end() if option else start, end)
            pin = image_pin(text, *image.span()) if image else None
        elif instruction.keyword == "COPY" and (stage := _STAGE_OF.search(text, start, end)):
            pin = image_pin(text, *stage.span(1))
        else:
            pin = _argument(text, instruction, names)
        if pin is not None:
            yield pin


def _argument(text: str, instruction: Instruction, names: set[str]) -> Pin | None:
    """The version in `ARG VLLM_VERSION=0.8.5`, where a requirement or an image takes it from there."""
    if instruction.keyword not in ("ENV", "ARG"):
        return None
    for name in sorted(names):
        named = re.compile(rf"\b{re.escape(name)}{_RELEASE}")
        match = named.search(text, instruction.content[0].start, instruction.content[-1].end)
        if match:
            return Pin(
                "vllm", f"=={match[1]}", Span(*match.span()), Span(*match.span(1)), form=PinForm.VERSION
            )
    return None
