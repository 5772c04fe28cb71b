"""Installing an engine into an environment of its own.

What it will take is announced first; the environment is made under a temporary name and renamed when
complete.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import sysconfig
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from vllm_migrate.engines import repair, uv
from vllm_migrate.engines.catalogue import EngineSpec, Recipe, recipe
from vllm_migrate.engines.devices import default_device
from vllm_migrate.engines.environment import EngineEnvironment, read_manifest, write_manifest
from vllm_migrate.engines.paths import engines_root
from vllm_migrate.errors import ProvisionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    Progress = Callable[[str], None]

CUDA_PLATFORM = "x86_64-manylinux_2_28"
"""Platform for which a CUDA installation is resolved on a machine that isn't one."""

CONTEMPORARY = timedelta(days=30)
"""How long after a release its dependencies may appear: old releases don't bound them."""

_NOT_NEEDED = ("torchvision", "torchaudio", "torchcodec")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an installation will bring, before anything is fetched.

    Attributes:
        download_bytes: upper bound: files already in uv's cache are not fetched again.
        disk_bytes: what the finished environment takes.
        torch: the torch build, e.g. "2.6.0 (PyPI's build with CUDA libraries)".
    """

    recipe: Recipe
    python: str
    sources: uv.Sources
    packages: tuple[uv.Package, ...]
    download_bytes: int
    disk_bytes: int
    torch: str

    @property
    def directory(self) -> Path:
        """Where the environment will be."""
        return directory_of(self.recipe.spec, self.recipe.device)

    def announcement(self) -> str:
        """One sentence for the user."""
        return (
            f"{self.recipe.spec.name}: {self.recipe.requirement} with torch {self.torch}, "
            f"{len(self.packages)} packages, at most {gigabytes(self.download_bytes)} to download, "
            f"about {gigabytes(self.disk_bytes)} on disk in {self.directory}"
        )


def plan(
    spec: EngineSpec,
    device: str | None = None,
    wheelhouse: Path | None = None,
    *,
    prefix_caching: bool = False,
) -> Plan:
    """Resolve an installation.

    Args:
        spec: which engine.
        device: "cpu" or "cuda"; None chooses by whether there is an NVIDIA GPU.
        wheelhouse: a folder of wheels to use instead of any index.
        prefix_caching: add what prefix caching needs where it is an extra (V0 on CPU).

    Raises:
        ProvisionError: no recipe, no solution, no network.
    """
    device = device or default_device()
    chosen = recipe(spec, device)
    python = choose_python(chosen)
    platform = CUDA_PLATFORM if device == "cuda" and default_device() != "cuda" else ""
    sources = _sources(device, wheelhouse)
    overrides = list(chosen.overrides)
    if device == "cpu":
        overrides += [f'{name} ; sys_platform == "never"' for name in _NOT_NEEDED]
        torch = chosen.torch or uv.cpu_torch_pin(chosen.requirement, overrides, python, sources)
        overrides += [f"torch=={torch}"] if torch else []
    return _resolved(chosen, python, sources, overrides, platform, prefix_caching=prefix_caching)


def _resolved(
    chosen: Recipe,
    python: str,
    sources: uv.Sources,
    overrides: list[str],
    platform: str,
    *,
    prefix_caching: bool,
) -> Plan:
    optional = chosen.extras.get("prefix-caching", ()) if prefix_caching else ()
    requirements = [chosen.requirement, *chosen.extra, *optional]
    excluded: list[str] = []

    def resolve(until: date | None) -> list[uv.Package]:
        return uv.resolve(requirements, overrides, excluded, python, sources, platform=platform, until=until)

    packages = resolve(chosen.resolved if sources.wheelhouse is None else None)
    build = _find(packages, "torch")
    if chosen.device == "cuda" and build is not None and build.version.endswith("+cpu"):
        excluded.append(
            f"torch!={build.version}"
        )  # a folder of wheels brought a build that can't use the GPU
        packages = resolve(chosen.resolved)
    release = _find(packages, chosen.package)
    if chosen.resolved is None and release is not None and release.uploaded is not None:
        packages = resolve(release.uploaded + CONTEMPORARY)
    build = _find(packages, "torch")
    small = build is not None and build.version.endswith("+cpu")
    listed = sum(package.bytes for package in packages)
    return Plan(
        recipe=chosen,
        python=python,
        sources=sources,
        packages=tuple(packages),
        download_bytes=0 if sources.wheelhouse else listed or chosen.download_bytes,
        disk_bytes=_SMALL_DISK if small else chosen.disk_bytes,
        torch=f"{build.version} ({_torch_words(chosen.device, small=small)})" if build else "absent",
    )


def _find(packages: Sequence[uv.Package], name: str) -> uv.Package | None:
    return next((package for package in packages if package.name == name), None)


_SMALL_DISK = 3_300_000_000
"""Measured for 0.32.0 with torch's CPU build."""


def install(prepared: Plan, progress: Progress) -> EngineEnvironment:
    """Install a planned engine.

    The environment is made under a temporary name and renamed when it is complete, manifest included;
    whatever an interrupted installation leaves is never taken for an engine, and the next one clears it away.

    Raises:
        ProvisionError: not enough disk, no network, a package that can't be installed.
    """
    target = prepared.directory
    with _lock(target):
        if (target / "manifest.json").is_file():
            return read_manifest(target)
        _check_disk(prepared)
        progress(prepared.announcement())
        partial = target.with_name(f".partial-{target.name}")
        shutil.rmtree(partial, ignore_errors=True)
        started = time.monotonic()
        try:
            _fill(prepared, partial, progress)
            engine = _describe(prepared, partial, seconds=time.monotonic() - started)
            write_manifest(partial, engine)
            if target.exists():
                shutil.rmtree(target)
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return read_manifest(target)


def _fill(prepared: Plan, partial: Path, progress: Progress) -> None:
    partial.parent.mkdir(parents=True, exist_ok=True)
    binary = find_uv_bin()
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = sys.executable if prepared.python == own else prepared.python
    progress(f"making an environment with Python {prepared.python}")
    uv.run_uv(
        [binary, "venv", "--relocatable", "--python", interpreter, str(partial)], seconds=uv.RESOLVE_SECONDS
    )
    wanted = partial / "requirements.txt"
    wanted.write_text("".join(f"{p.name}=={p.version}\n" for p in prepared.packages), encoding="utf-8")
    # The resolution has decided; overrides are in it, so dependencies must not be looked at again.
    command = [binary, "pip", "install", "--no-deps", "--python", str(partial / "bin" / "python")]
    uv.run_uv(
        [*command, "--requirement", str(wanted), *prepared.sources.options()],
        seconds=uv.INSTALL_SECONDS,
        progress=progress,
    )


def _describe(prepared: Plan, partial: Path, *, seconds: float) -> EngineEnvironment:
    """Mend what needs mending and put the engine's description together."""
    chosen = prepared.recipe
    packages = site_packages(partial)
    mended = repair.mend_glibcxx(packages) if "glibcxx" in chosen.repairs else []
    preload = (
        repair.provide_preload(partial, packages, partial / "lib") if "preload" in chosen.repairs else ()
    )
    return EngineEnvironment(
        name=chosen.spec.name,
        generation=chosen.spec.generation,
        version=chosen.spec.version,
        package=chosen.requirement,
        device=chosen.device,
        python=partial / "bin" / "python",
        root=partial,
        environment=chosen.environment,
        preload=preload,
        harness=chosen.harness,
        details={
            "torch": prepared.torch,
            "python": prepared.python,
            "mended": mended,
            "install_seconds": round(seconds, 1),
            "size_bytes": size_of(partial),
            "packages": {package.name: package.version for package in prepared.packages},
        },
    )


def directory_of(spec: EngineSpec, device: str) -> Path:
    """Where an engine of the catalogue is installed."""
    return engines_root() / f"{spec.generation}-{spec.version}-{device}"


def site_packages(prefix: Path) -> Path:
    """The site-packages directory of an environment.

    Raises:
        ProvisionError: where there is none.
    """
    found = sorted(prefix.glob("lib/python3.*/site-packages"))
    if not found:
        raise ProvisionError(f"{prefix} is no Python environment")
    return found[0]


def choose_python(chosen: Recipe) -> str:
    """Our own interpreter's version where the engine supports it, else the recipe's first choice."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return own if own in chosen.python and not free_threaded else chosen.python[0]


_SMALL = 50_000_000
"""Below this many bytes, megabytes read better."""


def gigabytes(count: int) -> str:
    """Decimal gigabytes, as disks and networks are sold."""
    return f"{count / 1e9:.1f} GB" if count >= _SMALL else f"{count / 1e6:.0f} MB"


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory, links not followed."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            total += (Path(folder) / name).lstat().st_size
    return total


def _sources(device: str, wheelhouse: Path | None) -> uv.Sources:
    if wheelhouse is not None:
        if not wheelhouse.is_dir():
            raise ProvisionError(f"no folder of wheels at {wheelhouse}")
        return uv.Sources(wheelhouse=wheelhouse.absolute())
    backend = "cpu" if device == "cpu" and uv.torch_index_reachable() else ""
    return uv.Sources(find_links=uv.pip_find_links(), torch_backend=backend)


def _torch_words(device: str, *, small: bool) -> str:
    if small:
        return "CPU build"
    return (
        "CUDA build"
        if device == "cuda"
        else "PyPI's build, which carries CUDA libraries: no CPU build in reach"
    )


def _check_disk(prepared: Plan) -> None:
    root = prepared.directory.parent
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    needed = prepared.disk_bytes + prepared.download_bytes
    if free < needed:
        raise ProvisionError(
            f"{prepared.recipe.spec.name} needs {gigabytes(needed)} while it is installed, and {root} has "
            f"{gigabytes(free)} free",
            hint="free some space, or point VLLM_MIGRATE_CACHE at a larger disk",
        )


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """One installation of an engine at a time; a second one waits and finds it done."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
