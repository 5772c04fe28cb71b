"""`[tool.vllm-migrate.guard]`: the boundaries of a project.

[tool.vllm-migrate.guard]
warm-up = 20
save-first = false
policy_kl = { warn = 0.03, stop = 0.1, patience = 3, action = "skip_batch" }
zero_variance_groups = false  # off
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import BoundaryError, ConfigError
from vllm_migrate.guard.boundaries import Boundaries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WARM_UP, _SAVE_FIRST = "warm-up", "save-first"


def parse_settings(table: Mapping[str, Any], path: Path) -> Boundaries:
    """The shipped boundaries with what a configuration file says in place of them.

    Raises:
        ConfigError: a name is not known, or a value of the wrong kind.
    """
    found = Boundaries.default()
    for key, value in table.items():
        name = key.replace("_", "-")
        if name == _WARM_UP:
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ConfigError(f"{path}: guard.{key} must be a number of steps, 0 or more")
            found = replace(found, warm_up=value)
        elif name == _SAVE_FIRST:
            if not isinstance(value, bool):
                raise ConfigError(f"{path}: guard.{key} must be true or false")
            found = replace(found, save_first=value)
        else:
            found = _with_row(found, key, value, path)
    return found


def _with_row(old: Boundaries, key: str, value: object, path: Path) -> Boundaries:
    name = key.replace("-", "_")
    if name not in old.rows:
        known = [f"guard.{one}" for one in (_WARM_UP, _SAVE_FIRST, *old.rows)]
        hint = did_you_mean(f"guard.{name}", known, otherwise=f"boundaries: {', '.join(old.rows)}")
        raise ConfigError(f"{path}: unknown key {'guard.' + key!r}", hint=hint)
    if value is False:
        return old.without(name)
    if not isinstance(value, dict):
        raise ConfigError(
            f"{path}: guard.{key} must be a table, or false to switch it off",
            hint=f"such as {name} = {{ warn = 0.02, stop = 0.05 }}",
        )
    # TOML has no null: false stands for "no such limit" there.
    settings = {
        setting: None if given is False and setting in {"warn", "stop"} else given
        for setting, given in value.items()
    }
    try:
        return old.with_(name, **settings)
    except BoundaryError as error:
        raise ConfigError(f"{path}: guard: {error.message}", hint=error.hint) from None
