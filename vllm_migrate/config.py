"""`[tool.vllm-migrate]` of the nearest pyproject.toml, or vllm-migrate.toml, as one frozen value.

Precedence: command line, then file, then default. A key that is not known is an error, never ignored: a
misspelt `ignore` would otherwise switch nothing off without anybody noticing.
"""

from __future__ import annotations

import sys
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import ConfigError
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.guard.boundaries import Boundaries
    from vllm_migrate.reward.settings import RewardSettings

RECIPES = ("parity", "fast")
LEVELS = ("error", "warning", "note")
BASELINE = ".vllm-migrate-baseline.json"


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """`[tool.vllm-migrate.audit]`: defaults for the options of `audit` of the same names.

    Attributes:
        model: path or name of the model; `prompts` the JSONL file.
        v0: engine name or version of the reference; `v1` of the candidate.
        v1_args: engine arguments of the candidate, as a table.
        reward: "file.py:function".
        sampling: sampling parameters of the replay, as a table.
        profile: profile of the thresholds: "strict-bitwise", "bf16", "fp8" or "moe".
        thresholds: own figures by gating metric: a margin, or a table of margin, cap and floor-multiple.
        objective: "ppo", "grpo", "gspo", "cispo" or "reinforce".
    """

    model: str = ""
    prompts: str = ""
    v0: str = ""
    v1: str = ""
    v1_args: dict[str, object] = field(default_factory=dict)
    reward: str = ""
    sampling: dict[str, object] = field(default_factory=dict)
    profile: str = ""
    thresholds: dict[str, object] = field(default_factory=dict)
    objective: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a run can be told.

    Attributes:
        target: vLLM version to migrate to; "" for the newest known one.
        source: version the code comes from; "" to find it out.
        recipe: "parity" keeps the learning signal, "fast" keeps V1's optimisations.
        select: code prefixes to report, all if empty; `ignore` prefixes to leave out.
        exclude: patterns in .gitignore's syntax, relative to `root`.
        per_file_ignores: pairs of such a pattern and the code prefixes to leave out in the files it names.
        fail_on: lowest level that makes `check` exit 1: "error", "warning" or "note".
        unsafe_fixes: `rewrite` applies the edits that need a reader, too.
        reward: `[tool.vllm-migrate.reward]`, None where there is no such table.
        guard: boundaries with those of `[tool.vllm-migrate.guard]`, None where there is no such table.
        root: directory of the file this came from, None where there is none; `origin` that file.
    """

    target: str = ""
    source: str = ""
    recipe: str = "parity"
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fail_on: str = "warning"
    unsafe_fixes: bool = False
    audit: AuditConfig = field(default_factory=AuditConfig)
    reward: RewardSettings | None = None
    guard: Boundaries | None = None
    root: Path | None = None
    origin: Path | None = None

    @property
    def baseline(self) -> Path:
        """Where the baseline lies unless one is named: beside the configuration, or where the run is."""
        return Path(self.root or "", BASELINE)


_KEYS: dict[str, type] = {
    "target": str,
    "from": str,
    "recipe": str,
    "select": list,
    "ignore": list,
    "exclude": list,
    "per-file-ignores": dict,
    "fail-on": str,
    "unsafe-fixes": bool,
    "audit": dict,
    "reward": dict,
    "guard": dict,
}
_FIELD = {"from": "source"}
_ALLOWED = {"recipe": RECIPES, "fail-on": LEVELS}
_TYPE_NAMES = {str: "a string", list: "a list of strings", bool: "true or false", dict: "a table"}


def load_config(start: Path) -> Config:
    """The configuration that governs `start` (a file or directory): the nearest one upward.

    A pyproject.toml without `[tool.vllm-migrate]` does not end the search.

    Raises:
        ConfigError: where that file is no TOML, has an unknown key or a value of the wrong kind.
    """
    here = start.resolve()
    for folder in (here, *here.parents) if here.is_dir() else here.parents:
        own = folder / "vllm-migrate.toml"
        if own.is_file():
            return _parse(_read_toml(own), own)
        project = folder / "pyproject.toml"
        if project.is_file() and b"vllm-migrate" in _bytes(project):
            tool = _read_toml(project).get("tool", {})
            table = tool.get("vllm-migrate") if isinstance(tool, dict) else None
            if table is not None:
                return _parse(table, project)
    return Config()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - most runs need none of it
    else:
        import tomli as tomllib  # noqa: PLC0415 - most runs need none of it
    try:
        return tomllib.loads(_bytes(path).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _parse(table: object, path: Path) -> Config:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.vllm-migrate] must be a table")
    values: dict[str, Any] = {}
    for key, value in table.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise _unknown_key(path, key, _KEYS)
        if not isinstance(value, kind) or (
            isinstance(value, list) and not all(isinstance(v, str) for v in value)
        ):
            raise ConfigError(f"{path}: {key} must be {_TYPE_NAMES[kind]}")
        if key in _ALLOWED and value not in _ALLOWED[key]:
            raise ConfigError(f"{path}: {key} must be one of {', '.join(_ALLOWED[key])}, not {value!r}")
        name = _FIELD.get(key, key.replace("-", "_"))
        values[name] = tuple(value) if isinstance(value, list) else value
    if "audit" in values:
        values["audit"] = _parse_audit(values["audit"], path)
    if "reward" in values:
        from vllm_migrate.reward.settings import parse_settings  # noqa: PLC0415 - most projects have none

        values["reward"] = parse_settings(values["reward"], path)
    if "guard" in values:
        from vllm_migrate.guard.settings import parse_settings as parse_guard  # noqa: PLC0415 - same

        values["guard"] = parse_guard(values["guard"], path)
    if "per_file_ignores" in values:
        values["per_file_ignores"] = _parse_per_file(values["per_file_ignores"], path)
    return Config(**values, root=path.parent, origin=path)


def _parse_per_file(table: dict[str, Any], path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    for pattern, codes in table.items():
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise ConfigError(f"{path}: per-file-ignores.{pattern!r} must be a list of strings")
    return tuple((pattern, tuple(codes)) for pattern, codes in table.items())


def _parse_audit(table: dict[str, Any], path: Path) -> AuditConfig:
    kinds = {f.name.replace("_", "-"): dict if "dict" in str(f.type) else str for f in fields(AuditConfig)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        kind = kinds.get(key)
        if kind is None:
            raise _unknown_key(path, f"audit.{key}", [f"audit.{known}" for known in kinds])
        if not isinstance(value, kind):
            raise ConfigError(f"{path}: audit.{key} must be {_TYPE_NAMES[kind]}")
        values[key.replace("-", "_")] = value
    return AuditConfig(**values)


def _unknown_key(path: Path, key: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"{path}: unknown key {key!r}", hint=did_you_mean(key.replace("_", "-"), known))
