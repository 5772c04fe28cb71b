"""Flags of the servers that take vLLM's engine arguments: `vllm serve`, the API servers, `trl vllm-serve`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.files.flags import MANY, ONLY_VLLMS, python_name, takes_value
from vllm_migrate.files.located import UNRESOLVED, Argument, Certainty, Form, Span, Value
from vllm_migrate.files.shell_words import Command, Word, unquote, words_within
from vllm_migrate.files.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FLAG = re.compile(r"--([A-Za-z][\w.-]*)(=)?")
_HIDDEN_FLAG = re.compile(r"(?<![\w-])--([A-Za-z][\w-]*)")
_PYTHON = re.compile(r"(?:^|/)(?:python[\d.]*|torchrun|accelerate|deepspeed)$|\.py$")
_NAMED = re.compile(r"\$\{?(\w+)")
_LIST = re.compile(r"""(\w+)\+?=(\(|"|')""")
_TRL_CONFIGS = {"grpo": "trl.GRPOConfig", "rloo": "trl.RLOOConfig", "online_dpo": "trl.OnlineDPOConfig"}


def flags(text: str, found: Sequence[Command]) -> Iterator[Argument]:
    """The flags of every server command, those held in arrays and strings that it expands included."""
    lists = _lists(found)
    seen: set[str] = set()
    for command in found:
        start, owner = server_flags_from(command.words)
        if start < 0:
            yield from _flags_of_a_program(text, command)
            continue
        trl = any(word.bare in ("trl", "vllm-serve") for word in command.words[:start])
        rest = command.words[start:]
        yield from flags_among(text, rest, owner, values_always=trl)
        for word in rest:
            for name in _NAMED.findall(word.text):
                if name not in seen:
                    seen.add(name)
                    for inside in lists.get(name, ()):
                        yield from flags_among(text, words_within(text, *inside), owner, values_always=trl)


def _flags_of_a_program(text: str, command: Command) -> Iterator[Argument]:
    """Engine flags handed to a Python program, which must have vLLM's parser for them: a guess.

    The program may have an option of its own by that name, so nothing is edited.
    """
    words = command.words
    start = next((i for i, word in enumerate(words) if _PYTHON.search(word.bare)), len(words))
    for found in flags_among(text, words[start + 1 :], "engine", values_always=False):
        if found.name.replace("_", "-") in ONLY_VLLMS:
            yield replace(found, certainty=Certainty.GUESS)


def servers(found: Sequence[Command]) -> Iterator[Span]:
    """The last word of each command before the flags of vLLM's own server; not TRL's, which takes others."""
    for command in found:
        start, owner = server_flags_from(command.words)
        before = command.words[:start]
        if start > 0 and owner == "engine" and not any("trl" in word.bare for word in before):
            yield Span(before[-1].start, before[-1].end)


def server_flags_from(words: Sequence[Word]) -> tuple[int, str]:
    """Where a server's or trainer's flags begin among `words`, and what takes them; (-1, "") without one."""
    bare = [word.bare for word in words]
    for index, word in enumerate(bare):
        after = bare[index + 1] if index + 1 < len(bare) else ""
        name = word.rpartition("/")[2]
        if name == "vllm" and after == "serve":
            return index + 2, "engine"
        if word == "-m" and re.match(
            r"vllm\.entrypoints\.[\w.]*api_server$|trl\.scripts\.vllm_serve$", after
        ):
            return index + 2, "engine"
        if name == "trl" and after == "vllm-serve":
            return index + 2, "engine"
        if name == "trl" and after in _TRL_CONFIGS:
            return index + 2, _TRL_CONFIGS[after]
        if word.startswith("vllm/vllm-openai") and index:
            return index + 1, "engine"
    return -1, ""


def _lists(found: Sequence[Command]) -> dict[str, list[tuple[int, int]]]:
    """Where arrays and strings of options are assigned, by variable."""
    lists: dict[str, list[tuple[int, int]]] = {}
    for command in found:
        for word in command.words:
            match = _LIST.match(word.text)
            if match and "--" in word.text:
                lists.setdefault(match[1], []).append((word.start + match.end(), word.end - 1))
    return lists


def flags_among(text: str, words: Sequence[Word], owner: str, *, values_always: bool) -> Iterator[Argument]:
    """The flags among the words of a command, or of a list that is added to one.

    Args:
        text: what the words' offsets lead into.
        words: those behind the name of the program.
        owner: what takes the flags, as in `Argument.owner`.
        values_always: no flag stands alone, as TRL's parser has it.
    """
    index = 0
    while index < len(words):
        word = words[index]
        match = _FLAG.match(word.text)
        index += 1
        if match is None:
            yield from _hidden(word, owner)
            continue
        flag = match[1]
        name, implied = python_name(flag)
        name_span = Span(word.start + 2, word.start + 2 + len(flag))
        last, value_span = word, None
        if match[2]:
            value_span = Span(word.start + match.end(), word.end)
        elif takes_value(flag) or values_always:
            first = index
            while index < len(words) and _is_value(words[index]) and (index == first or flag in MANY):
                last = words[index]
                index += 1
            value_span = Span(words[first].start, last.end) if index > first else None
        if match[2] and not flag.strip("-"):
            continue
        yield Argument(
            owner,
            name,
            _value(text, value_span, implied),
            Form.FLAG,
            Span(word.start, last.end),
            name_span,
            value_span,
            certainty=Certainty.CERTAIN,
        )


def _value(text: str, span: Span | None, implied: bool | None) -> Value:
    if span is None:
        return Value("", UNRESOLVED if implied is None else implied)
    written = text[span.start : span.end]
    return Value(shown(written), UNRESOLVED if "$" in written or "`" in written else shown(unquote(written)))


def _is_value(word: Word) -> bool:
    """A word that starts with a dash is the next flag, unless it is a negative number."""
    return not word.text.startswith("-") or bool(re.match(r"-\d", word.text))


def _hidden(word: Word, owner: str) -> Iterator[Argument]:
    """Flags inside an expansion, `${X:+--swap-space $X}` or `$(... echo --flag)`: seen, never edited."""
    if "--" not in word.text or "$" not in word.text:
        return
    for match in _HIDDEN_FLAG.finditer(word.text):
        name, implied = python_name(match[1])
        span = Span(word.start + match.start(), word.start + match.end())
        name_span = Span(word.start + match.start(1), word.start + match.end(1))
        value = Value("", UNRESOLVED if implied is None else implied)
        yield Argument(owner, name, value, Form.FLAG, span, name_span, None, certainty=Certainty.GUESS)
