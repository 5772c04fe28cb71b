"""`[tool.vllm-migrate.reward]`: defaults for the options of `reward` of the same names."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """What the file says. Paths in it are relative to the file's directory.

    Attributes:
        function: "file.py:name" or "package.module:name", with "=0.7" behind it where there are several.
        rollouts: trace or rows to score; `prompts` to make completions for where there are none.
        prompt_column: name of a column, like `completion_column` and `answer_column`; "" for the usual ones.
        style: as `--style`; `python` the interpreter that runs the reward.
        select: names of the probes to ask, all where it is empty; `ignore` those to leave out.
        limits: own limits by probe: `{length = {warn = 0.2, fail = 0.4}}`.
    """

    function: tuple[str, ...] = ()
    rollouts: str = ""
    prompts: str = ""
    prompt_column: str = ""
    completion_column: str = ""
    answer_column: str = ""
    style: str = ""
    python: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)


_LISTS = ("function", "select", "ignore")
_TABLES = ("limits",)


def parse_settings(table: Mapping[str, Any], path: Path) -> RewardSettings:
    """The table of a configuration file; names of probes and limits are looked at when they are used.

    Raises:
        ConfigError: a key is not known, or a value of the wrong kind.
    """
    names = {one.name.replace("_", "-"): one.name for one in fields(RewardSettings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            raise ConfigError(
                f"{path}: unknown key {'reward.' + key!r}",
                hint=did_you_mean(f"reward.{key}".replace("_", "-"), [f"reward.{known}" for known in names]),
            )
        values[names[key]] = _value(key, value, path)
    return RewardSettings(**values)


def _value(key: str, value: object, path: Path) -> object:
    if key in _TABLES:
        if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
            raise ConfigError(
                f"{path}: reward.{key} must be a table of tables", hint="such as length = { warn = 0.2 }"
            )
        return value
    if key in _LISTS:
        listed = [value] if isinstance(value, str) and key == "function" else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            kind = "a string or a list of strings" if key == "function" else "a list of strings"
            raise ConfigError(f"{path}: reward.{key} must be {kind}")
        return tuple(listed)
    if not isinstance(value, str):
        raise ConfigError(f"{path}: reward.{key} must be a string")
    return value
