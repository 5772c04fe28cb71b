"""Calls a reward function of the user's in a process of its own, and takes nothing it says on trust."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import UsageError
from vllm_migrate.reward.calling.sandbox import Bounds, Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

WALL_SECONDS = 120.0
CPU_SECONDS = 120
MEMORY_BYTES = 16 << 30  # address space; frameworks reserve far more of it than they use
FILE_BYTES = 64 << 20
PROCESSES = 1024  # pools that a reward starts are its own affair; what multiplies without end is not


@dataclass(frozen=True, slots=True)
class RewardFunction:
    """A function named by the user as `file.py:function`.

    Attributes:
        file: None where a module is named.
        name: of the function in it, dotted where it is inside a class.
        module: dotted name, "" where a file is named.
        weight: in the sum, where there are several.
    """

    file: Path | None
    name: str
    module: str = ""
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.file or self.module}:{self.name}"

    @property
    def short(self) -> str:
        """Without the file's directory."""
        return f"{self.file.name if self.file else self.module}:{self.name}"


def parse_reward(text: str) -> RewardFunction:
    """`file.py:function` as a `RewardFunction`.

    Raises:
        UsageError: it is not of that form, or there is no such file.
    """
    file, _, name = text.rpartition(":")
    if not file or not name.isidentifier():
        raise UsageError(f"--reward takes file.py:function, not {text!r}")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"no reward file at {file}")
    return RewardFunction(path.resolve(), name)


def parse_weighted(text: str) -> RewardFunction:
    """`file.py:function`, `package.module:function`, either with `=0.7` behind it.

    Raises:
        UsageError: it is of no such form, or there is no such file.
    """
    named, equals, number = text.rpartition("=")
    if not equals:
        named, number = text, "1"
    file, _, name = named.rpartition(":")
    if not file or not name or not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"a reward is given as file.py:function or package.module:function, not {text!r}")
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise UsageError(f"the weight of a reward is a number, as in {named}=0.7, not {number!r}")
    path = Path(file)
    if path.is_file():
        return RewardFunction(path.resolve(), name, weight=weight)
    if path.suffix == ".py" or not all(part.isidentifier() for part in file.split(".")):
        raise UsageError(f"no reward file at {file}")
    return RewardFunction(None, name, file, weight)


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be scored, one entry a completion, in one order throughout.

    Attributes:
        columns: extra columns of the prompts file, one list a column, entries repeated per completion.
        group: completions per call, those of one prompt, as a GRPO trainer would pass them.
        answers: the reference answers, None where there is none; empty where there are none at all.
        messages: the conversations that the prompts were rendered from; empty where there are none at all.
    """

    prompts: Sequence[str]
    completions: Sequence[str]
    completion_ids: Sequence[Sequence[int]]
    columns: dict[str, list[Any]]
    group: int = 1
    answers: Sequence[str | None] = ()
    messages: Sequence[Sequence[dict[str, Any]]] = ()


def score(function: RewardFunction, texts: Texts, *, wall_seconds: float = WALL_SECONDS) -> list[float]:
    """Rewards of all completions.

    The function runs under this interpreter in isolated mode, with limits on processor time, memory and file
    size, an environment without secrets, and its output set aside.

    Raises:
        RewardError: it can't be imported, raises, returns the wrong number of values or something that is
        not a finite number, exceeds its limits or does not return in time. Names the function and the text.
    """
    bounds = Bounds(
        start_seconds=wall_seconds,
        cpu_seconds=CPU_SECONDS,
        memory_bytes=MEMORY_BYTES,
        file_bytes=FILE_BYTES,
        processes=PROCESSES,
    )
    sandbox = Sandbox((function,), style="trl", bounds=bounds, home=True)
    return sandbox.ask_strictly(texts, max(1, texts.group), wall_seconds)
