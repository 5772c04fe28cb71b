"""The limits of the probes: shipped ones with their sources, and the user's own."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import ConfigError
from vllm_migrate.reward.outcome import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = ("warn", "fail")


@lru_cache(maxsize=1)
def shipped_limits() -> dict[str, Limits]:
    """Limits by name of the probe, as in limits.toml."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - tomli stands in for it below 3.11
    else:
        import tomli as tomllib  # noqa: PLC0415 - see above
    table = tomllib.loads(files("vllm_migrate.reward").joinpath("limits.toml").read_text(encoding="utf-8"))
    return {
        name: Limits(row.get("warn"), row.get("fail"), above=row["above"], source=row["source"])
        for name, row in table.items()
        if isinstance(row, dict)
    }


def limits_with(own: Mapping[str, Any]) -> dict[str, Limits]:
    """The shipped limits with the user's figures in place of them.

    Args:
        own: `{"length": {"warn": 0.2, "fail": 0.4}}`; a limit that is not named stays.

    Raises:
        ConfigError: there is no such probe or key, or a figure is no number.
    """
    found = dict(shipped_limits())
    for name, row in own.items():
        if name not in found:
            raise _unknown(name, found)
        if not isinstance(row, dict) or not row.keys() <= set(_KEYS):
            raise ConfigError(f"reward.limits.{name} takes warn and fail, as in {name} = {{ warn = 0.2 }}")
        for key, value in row.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"reward.limits.{name}.{key} must be a number, not {value!r}")
        old = found[name]
        found[name] = Limits(
            float(row["warn"]) if "warn" in row else old.warn,
            float(row["fail"]) if "fail" in row else old.fail,
            above=old.above,
            source=f"set by the user; shipped: {old.source}",
        )
    return found


def _unknown(name: str, known: Mapping[str, Limits]) -> ConfigError:
    hint = did_you_mean(name, known, otherwise=f"probes with limits: {', '.join(known)}")
    return ConfigError(f"reward.limits: no probe {name!r} has limits", hint=hint)
