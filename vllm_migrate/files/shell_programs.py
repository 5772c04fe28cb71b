"""Scripts that start programs of the project which take vLLM's engine options.

`python evaluate.py --swap-space 0`, where `evaluate.py` builds its parser with `EngineArgs.add_cli_args`: the
flags are the engine's as much as a server's are. Options that the program adds itself are its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Certainty
from vllm_migrate.files.shell_flags import flags_among, server_flags_from
from vllm_migrate.files.shell_words import commands
from vllm_migrate.files.text import as_latin1

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.files.shell_words import Word

_ADDS_OPTIONS = frozenset(
    {
        "vllm.EngineArgs.add_cli_args", "vllm.AsyncEngineArgs.add_cli_args",
        "vllm.entrypoints.openai.cli_args.make_arg_parser",
    }
)  # fmt: skip
_OWN_OPTION = re.compile(rb"""\.add_argument\(\s*(?:["']-\w["'],\s*)?["']--([\w-]+)["']""")
_PYTHON = re.compile(r"(?:^|/)(?:python[\d.]*|torchrun|accelerate|deepspeed|ray)$")


@dataclass(frozen=True, slots=True)
class Program:
    """A module that takes vLLM's engine options.

    Attributes:
        own: names of the options that it adds itself, in Python spelling.
    """

    path: PurePosixPath
    own: frozenset[str]


def programs(files: Iterable[FileFacts]) -> tuple[Program, ...]:
    """The modules among a project's files whose parser has vLLM's engine options."""
    return tuple(
        Program(
            file.path,
            frozenset(name.decode().replace("-", "_") for name in _OWN_OPTION.findall(file.source)),
        )
        for file in files
        if file.kind is FileKind.PYTHON
        and any(call.target in _ADDS_OPTIONS and not call.dead for call in file.calls)
    )


def with_flags(script: FileFacts, found: Sequence[Program], modules: Collection[PurePosixPath]) -> FileFacts:
    """A shell script's facts with the engine flags that it hands to these programs.

    They are likely and not certain: the script may run elsewhere than where it lies.

    Args:
        script: as read by itself, where such flags are guesses at best.
        found: the programs.
        modules: all Python files of the project, which a word of the script may mean as well.
    """
    text = as_latin1(script.source)
    linked: list[Argument] = []
    spans: list[tuple[int, int]] = []
    for command in commands(text, 0, len(text)):
        if server_flags_from(command.words)[0] >= 0:
            continue
        place, path = _started(command.words, script.path, modules)
        program = next((one for one in found if one.path == path), None)
        if program is None:
            continue
        rest = command.words[place + 1 :]
        spans += [(word.start, word.end) for word in rest]
        for argument in flags_among(text, rest, "engine", values_always=False):
            if argument.name not in program.own:
                sure = argument.certainty is Certainty.CERTAIN
                linked.append(replace(argument, certainty=Certainty.LIKELY) if sure else argument)
    if not spans:
        return script
    before = [a for a in script.arguments if not any(start <= a.span.start < end for start, end in spans)]
    return replace(script, arguments=tuple(sorted([*before, *linked], key=lambda argument: argument.span)))


def _started(
    words: Sequence[Word], script: PurePosixPath, modules: Collection[PurePosixPath]
) -> tuple[int, PurePosixPath | None]:
    """Which word of a command names a Python program, and the project's file that it is."""
    runs_python = False
    for index, word in enumerate(words):
        bare = word.bare
        if bare.endswith(".py"):
            return index, _meant(bare, script, modules)
        runs_python = runs_python or bool(_PYTHON.search(bare))
        if bare == "-m" and runs_python and index + 1 < len(words):
            name = words[index + 1].bare
            path = _meant(f"{name.replace('.', '/')}.py", script, modules)
            if path is not None:
                return index + 1, path
    return -1, None


def _meant(written: str, script: PurePosixPath, modules: Collection[PurePosixPath]) -> PurePosixPath | None:
    """The project's file that a path in a script means, by its end: only running tells its start."""
    parts = [part for part in written.split("/") if part not in ("", ".", "..")]
    known = next((i for i in range(len(parts), 0, -1) if set(parts[i - 1]) & set("$`{}()\"'")), 0)
    tail = tuple(parts[known:])
    if not tail:
        return None
    for folder in (script.parent, PurePosixPath()):
        if folder.joinpath(*tail) in modules:
            return folder.joinpath(*tail)
    ending = [path for path in modules if path.parts[-len(tail) :] == tail]
    return ending[0] if len(ending) == 1 else None
