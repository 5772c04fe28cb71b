"""The functions a user names as a reward, `file.py:function` or `package.module:function`, with weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from vllm_migrate.errors import UsageError


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
