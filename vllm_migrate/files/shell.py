"""Shell scripts: variables, server flags, overrides of verl-style runs, and `pip install` pins.

A flag's span is the flag with its value, as written. A variable's is what may go as it is: its line, its
assignment with the blanks that follow, or, where it is all a block holds, the command alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.images import image_pin
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import UNRESOLVED, Argument, Certainty, Form, Pin, Span, Value, Variable
from vllm_migrate.files.pins import pin_in
from vllm_migrate.files.shell_flags import flags, servers
from vllm_migrate.files.shell_words import Command, Word, commands, unquote
from vllm_migrate.files.suppressions import suppressions
from vllm_migrate.files.text import as_latin1, newline_of, shown, whole_lines
from vllm_migrate.files.use import Use

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import PurePosixPath

    from vllm_migrate.files.parts import Part

    Reader = Callable[[FileKind, bytes], FileFacts]

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?=)")
_EXPANSION = re.compile(r"\$(?:\{(VLLM_\w+)(:?[-=])?|(VLLM_\w+))")
_LISTED = re.compile(r"""["'](VLLM_\w+)\\?["']\s*:\s*\\?["']?([^"'\\,}]*)""")
_OVERRIDE = re.compile(r"""["']?(?:\+{1,2}|~)?((?:[\w-]+\.)+)(\w+)=""")
_ENGINE_PATH = re.compile(
    r"(?:^|\.)(?:engine_kwargs\.vllm|engine_kwargs|vllm|vllm_kwargs|engine_args|llm_kwargs)\.$"
)
_DECLARE = frozenset({"export", "declare", "typeset", "local", "readonly"})
_TRAINERS = ("verl.trainer.", "openrlhf.cli.train_", "swift.cli.rlhf")
_CONTAINERS = frozenset({"docker", "podman", "nerdctl"})
_SEPARATOR = re.compile(r"[ \t]*(?:&&|;(?!;))?(?:[ \t]|\\\r?\n)*")
_REST_OF_LINE = re.compile(r"(?:#[^\n]*)?\r?(?:\n|\Z)")
_AFTER_INSTALL = re.compile(r"(?:pip3?|pipx|conda|mamba|uv|poetry)(?:\.exe)?$")


def read_shell(path: PurePosixPath, source: bytes, read: Reader | None = None) -> FileFacts:
    """What a shell script says about vLLM.

    Args:
        path: of the script.
        source: its bytes.
        read: reads here-documents as files of the kinds they are of; None to pass them over.

    Raises:
        InputError: where it can't be told where its words end (an unclosed quote).
    """
    reader = script_facts(text := as_latin1(source), 0, len(text))
    silenced = suppressions(source)
    in_process = any(
        v.name == "VLLM_ENABLE_V1_MULTIPROCESSING" and v.value.literal == "0" for v in reader.variables
    )
    return FileFacts(
        path=path,
        kind=FileKind.SHELL,
        source=source,
        newline=newline_of(source),
        arguments=tuple(sorted(reader.arguments, key=lambda found: found.span)),
        variables=tuple(sorted(reader.variables, key=lambda found: found.span)),
        pins=tuple(reader.pins),
        servers=tuple(servers(reader.all)),
        use=Use(
            trains=reader.trains,
            engine_in_process=in_process,
            in_process_by_variable=in_process,
        ),
        suppressions={**silenced, **reader.spread(silenced)} if silenced else silenced,
        parts=_heredocs(text, source, read) if read is not None and b"<<" in source else (),
    )


def _heredocs(text: str, source: bytes, read: Reader) -> tuple[Part, ...]:
    from vllm_migrate.files.shell_heredocs import heredoc_parts  # noqa: PLC0415 - few scripts have any

    return tuple(heredoc_parts(text, source, read))


def script_facts(text: str, start: int, end: int, *, whole_lines: bool = True) -> Script:
    """The facts of the script in `text[start:end]`, with offsets into `text`."""
    script = Script(text, start, end, whole_lines)
    script.read(commands(text, start, end))
    return script


@dataclass
class Script:
    """The facts of one script, perhaps a part of another file.

    Attributes:
        text: the file; the script is `[start, end)` of it.
        whole_lines: whether the script has its lines to itself, so that a command may take its line along.
    """

    text: str
    start: int
    end: int
    whole_lines: bool = True
    arguments: list[Argument] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    trains: bool = False
    all: list[Command] = field(default_factory=list)

    def read(self, found: list[Command]) -> None:
        """Collect the facts of these commands."""
        self.all = found
        for command in found:
            self._expansions(command)
        reads = {v.name for v in self.variables}
        for command in found:
            self._variables(command, reads)
            self._overrides(command)
            self._installs(command)
            bare = [word.bare for word in command.words]
            self.trains = self.trains or any(word.startswith(_TRAINERS) for word in bare)
            self.trains = self.trains or ("trl" in bare and "grpo" in bare)
        self.arguments.extend(flags(self.text, found))

    def spread(self, silenced: dict[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
        """Comments can't stand inside a continued command, so one above it covers all of its lines."""
        spread: dict[int, tuple[str, ...]] = {}
        for command in self.all:
            first = self.text.count("\n", 0, command.words[0].start) + 1
            last = self.text.count("\n", 0, command.words[-1].end) + 1
            if first in silenced:
                spread.update(
                    {line: silenced[first] + silenced.get(line, ()) for line in range(first, last + 1)}
                )
        return spread

    def _expansions(self, command: Command) -> None:
        for word in command.words:
            if word.text.startswith("'"):
                continue
            assigned = _ASSIGNMENT.match(word.bare)
            for match in _EXPANSION.finditer(word.text):
                name = match[1] or match[3]
                if assigned is not None and assigned[1] == name:
                    continue  # `X=${X:-v}` is one setting, not one and a use of it
                at = word.start + match.start(1 if match[1] else 3)
                span = Span(at, at + len(name))
                action = "default" if match[2] else "read"
                self.variables.append(Variable(name, Value(name), action, span, span, removable=False))

    def _variables(self, command: Command, reads: set[str]) -> None:
        words = command.words
        lead = 0
        while lead < len(words) and _ASSIGNMENT.match(words[lead].text):
            lead += 1
        rest = words[lead:]
        verb = rest[0].bare if rest else ""
        for index, word in enumerate(words[:lead]):
            span = Span(word.start, words[index + 1].start) if rest else self._whole_or_word(command, index)
            self._assign(word, word.start, span, reads, removable=bool(rest) or self._free(command))
        if verb == "env":
            self._assignments_after(rest, reads)
        elif verb in _DECLARE:
            named = [w for w in rest[1:] if not w.text.startswith("-")]
            for word in named:
                span = self._whole(command) if len(named) == 1 else Span(word.gap, word.end)
                removable = len(named) > 1 or self._free(command)
                self._assign(word, word.start, span, reads, removable=removable)
        elif verb == "unset":
            named = [w for w in rest[1:] if not w.text.startswith("-")]
            for word in named:
                span = self._whole(command) if len(named) == 1 else Span(word.gap, word.end)
                name_span = Span(word.start, word.end)
                free = len(named) > 1 or self._free(command)
                self.variables.append(
                    Variable(word.bare, Value(""), "unset", span, name_span, removable=free)
                )
        self._passed_on(rest, reads)

    def _assignments_after(self, rest: tuple[Word, ...], reads: set[str]) -> None:
        for index, word in enumerate(rest[1:-1], start=1):
            if not word.text.startswith("-") and not _ASSIGNMENT.match(word.text):
                break
            self._assign(word, word.start, Span(word.start, rest[index + 1].start), reads, removable=True)

    def _passed_on(self, rest: tuple[Word, ...], reads: set[str]) -> None:
        """Variables handed to another process: `-e X=1`, `--env X=1`, a JSON runtime environment."""
        for before, word in pairwise(rest):
            if before.text in ("-e", "--env", "--export") and _ASSIGNMENT.match(word.bare):
                offset = word.start + (word.text[0] in "\"'")
                self._assign(
                    word, offset, Span(before.gap, word.end), reads, removable=before.text != "--export"
                )
        for word in rest:
            if word.text.startswith("--env=") and _ASSIGNMENT.match(word.text[6:]):
                self._assign(word, word.start + 6, Span(word.gap, word.end), reads, removable=True)
            elif "VLLM_" in word.text and (":" in word.text):
                for match in _LISTED.finditer(word.text):
                    span = Span(word.start + match.start(1), word.start + match.end(1))
                    value = Value(match[2], match[2])
                    self.variables.append(Variable(match[1], value, "set", span, span, removable=False))

    def _assign(self, word: Word, start: int, span: Span, reads: set[str], *, removable: bool) -> None:
        match = _ASSIGNMENT.match(self.text, start, word.end)
        if match is None:
            return
        written = self.text[match.end() : word.end]
        quoted_whole = start > word.start and word.text[:1] in "\"'"
        written = written[:-1] if quoted_whole else written
        literal: object = UNRESOLVED if "$" in written or "`" in written else shown(unquote(written))
        own = _EXPANSION.match(written.strip('"'))
        name = match[1]
        free = removable and name not in reads and own is None
        value = Value(shown(written), literal)
        self.variables.append(Variable(name, value, "set", span, Span(start, match.end(1)), removable=free))

    def _whole_or_word(self, command: Command, index: int) -> Span:
        words = command.words
        return self._whole(command) if len(words) == 1 else Span(words[index].gap, words[index].end)

    def _free(self, command: Command) -> bool:
        """Whether the command may go, or `:` take its place, and the rest of the script does what it did."""
        if command.opener == "(" and command.closer == ")":
            return False
        return command.opener not in (
            "&&",
            "||",
            "|",
            "|&",
            "!",
            "if",
            "elif",
            "while",
            "until",
            "time",
        ) and (command.closer not in ("||", "|", "|&", "&", "("))

    def _whole(self, command: Command) -> Span:
        """The command with its separator; its line where nothing else stands there."""
        start, end = command.words[0].start, command.words[-1].end
        if command.alone_in:
            return Span(start, end)
        line = self.text.rfind("\n", 0, start) + 1
        after = _SEPARATOR.match(self.text, end, self.end)
        stop = after.end() if after else end
        if not self.whole_lines or self.text[line:start].strip():
            return Span(start, stop)
        rest = _REST_OF_LINE.match(self.text, stop)
        return (
            whole_lines(self.text, line, rest.end()) if rest and command.closer != "&&" else Span(start, stop)
        )

    def _overrides(self, command: Command) -> None:
        for word in command.words[1:]:
            match = _OVERRIDE.match(word.text)
            if match is None:
                continue
            path, name = match[1], match[2]
            name_span = Span(word.start + match.start(2), word.start + match.end(2))
            written = (
                word.text[match.end() :].rstrip("\"'") if word.text[0] in "\"'" else word.text[match.end() :]
            )
            value_span = Span(word.start + match.end(), word.start + match.end() + len(written))
            span = Span(word.start, word.end)
            value = Value(shown(written), UNRESOLVED if "$" in written else shown(unquote(written)))
            if name.startswith("VLLM_"):
                self.variables.append(Variable(name, value, "set", span, name_span))
            elif _ENGINE_PATH.search(path) or path.endswith("rollout."):
                certainty = Certainty.CERTAIN if _ENGINE_PATH.search(path) else Certainty.LIKELY
                found = Argument(
                    "engine", name, value, Form.KEY, span, name_span, value_span, certainty=certainty
                )
                self.arguments.append(found)

    def _installs(self, command: Command) -> None:
        bare = [word.bare for word in command.words]
        if any(word in _CONTAINERS for word in bare[:2]):
            self.pins.extend(pin for word in command.words if (pin := image_pin(self.text, *_inside(word))))
        verb = next((i for i, word in enumerate(bare) if word in ("install", "add")), 0)
        if not verb or not any(_AFTER_INSTALL.search(word) for word in bare[:verb]):
            return
        for word in command.words[verb + 1 :]:
            quote = word.text[0] in "\"'"
            if word.text.startswith("-") or "/" in word.text or "$" in word.text:
                continue
            pin = pin_in(self.text, word.start + quote, word.end - quote)
            if pin is not None:
                self.pins.append(pin)


def _inside(word: Word) -> tuple[int, int]:
    """The place of a word without the quotes around it."""
    quote = word.text[0] in "\"'"
    return word.start + quote, word.end - quote
