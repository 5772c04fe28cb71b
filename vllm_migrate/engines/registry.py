"""The engines on this machine: finding, listing, registering, removing, and installing on first use."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from vllm_migrate.engines import catalogue
from vllm_migrate.engines.catalogue import EngineSpec, parse_spec
from vllm_migrate.engines.devices import default_device
from vllm_migrate.engines.endpoint.find import endpoint, is_url
from vllm_migrate.engines.environment import EngineEnvironment, read_manifest, write_manifest
from vllm_migrate.engines.interpreter import SCHEME, Interpreter, ask, engine_at
from vllm_migrate.engines.paths import engines_root
from vllm_migrate.engines.provision import directory_of
from vllm_migrate.errors import ProvisionError, UsageError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")


def installed() -> list[EngineEnvironment]:
    """Every complete engine, by name. Directories without a manifest are unfinished and left out."""
    root = engines_root()
    if not root.is_dir():
        return []
    found = [
        read_manifest(path.parent) for path in root.glob("*/manifest.json") if path.parent.name[0] != "."
    ]
    return sorted(found, key=lambda engine: (engine.name, engine.device))


def find(name: str, device: str | None = None) -> EngineEnvironment | None:
    """An installed engine by spec or by the name it was registered under; None where there is none.

    Args:
        name: "v0", "v1@0.18.1", "0.18.1", a registered name, "python:" with an interpreter's path, or the URL
            of a running server.
        device: "cpu" or "cuda"; None prefers a GPU's engine where there is a GPU, and else takes what is
            there.

    Raises:
        UsageError: the name is none of these.
        EngineError: the interpreter does not run or has no vLLM; no server answers.
    """
    if is_url(name):
        return endpoint(name)
    if name.startswith(SCHEME):
        return engine_at(Path(name.removeprefix(SCHEME)))
    registered = engines_root() / name
    if _NAME.fullmatch(name) and (registered / "manifest.json").is_file():
        return read_manifest(registered)
    spec = parse_spec(name)
    preferred = default_device() if device is None else device
    others = [] if device is not None else [entry for entry in catalogue.DEVICES if entry != preferred]
    for candidate in (preferred, *others):
        directory = directory_of(spec, candidate)
        if (directory / "manifest.json").is_file():
            return read_manifest(directory)
    return None


def require(name: str, device: str | None = None) -> EngineEnvironment:
    """Like `find`, but an absent engine is an error.

    Raises:
        ProvisionError: not installed.
    """
    engine = find(name, device)
    if engine is None:
        raise ProvisionError(f"{name} is not installed", hint=f"vllm-migrate engines install {name}")
    return engine


def register(name: str, python: Path) -> EngineEnvironment:
    """Take an existing environment with vLLM in it as an engine.

    Args:
        name: how it will be called. Where it is an engine spec, the environment is used for that engine; else
            any short word, and the generation follows from vLLM's version (V1 from 0.11.0 on).
        python: its interpreter.

    Raises:
        UsageError: a name that can't be used.
        ProvisionError: no interpreter there, or no vLLM in it.
    """
    found = ask(python)
    spec, directory = _place(name, found)
    directory.mkdir(parents=True, exist_ok=True)
    engine = found.environment(name, spec.generation, directory)
    write_manifest(directory, engine)
    return read_manifest(directory)


def remove(engine: EngineEnvironment) -> None:
    """Remove an engine's directory. A registered environment itself is the user's and stays.

    The directory is renamed first: an interrupted removal leaves nothing that looks like an engine.
    """
    doomed = engine.root.with_name(f".removing-{engine.root.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    engine.root.rename(doomed)
    shutil.rmtree(doomed)


def _place(name: str, found: Interpreter) -> tuple[EngineSpec, Path]:
    release = found.release
    try:
        spec = parse_spec(name)
    except UsageError:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} can't be an engine's name", hint="use letters, digits, - and _"
            ) from None
        return EngineSpec(found.generation, release), engines_root() / name
    if "@" in name and spec.version != release:
        raise UsageError(f"{name} was asked for, but the environment has vLLM {release}")
    if spec.generation != found.generation:
        raise UsageError(
            f"{name} was asked for, but the environment has vLLM {release}, which is not that engine"
        )
    directory = directory_of(spec, found.device)
    if (directory / "bin").is_dir():
        raise UsageError(f"{name} is already installed", hint=f"vllm-migrate engines remove {name}")
    return EngineSpec(spec.generation, release), directory
