"""Downloads the releases that precision is measured on.

    python benchmarks/precision/fetch.py FOLDER [--only NAME ...]

Every release of `releases.toml` becomes FOLDER/NAME-VERSION. pip downloads it and compares the SHA-256 before
anything is unpacked; what is there already stays. Of a source archive pip asks the build backend for its
metadata, which fails for one that wants torch: its unpacked tree is taken nevertheless, as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
PLATFORMS = ("any", "manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64")


def releases() -> list[dict[str, str]]:
    """What `releases.toml` lists."""
    rows: list[dict[str, str]] = tomllib.loads((HERE / "releases.toml").read_text(encoding="utf-8"))[
        "release"
    ]
    return rows


def folder_of(row: Mapping[str, str], folder: Path) -> Path:
    """Where the tree of a release lies."""
    return folder / f"{row['name']}-{row['version']}"


def fetch_wheel(row: Mapping[str, str], target: Path, scratch: Path) -> None:
    """Unpack a wheel."""
    options = ["--only-binary=:all:", "--python-version", row.get("python", "3.11")]
    options += [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run(_download(row, options, scratch), check=True)
    with zipfile.ZipFile(next(scratch.glob("*.whl"))) as archive:
        archive.extractall(target)  # noqa: S202 - its hash is known


def fetch_source(row: Mapping[str, str], target: Path, scratch: Path) -> None:
    """Unpack a source archive; where pip could not read its metadata, move the tree pip has unpacked."""
    kept = scratch / "kept"
    kept.mkdir()
    options = ["--no-binary=:all:", "--no-build-isolation", "--no-clean"]
    done = subprocess.run(
        _download(row, options, scratch),
        env={**os.environ, "TMPDIR": str(kept)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = next(scratch.glob("*.tar.gz"), None)
    if found is not None:
        unpacked = scratch / "unpacked"
        with tarfile.open(found) as archive:
            archive.extractall(unpacked, filter="data")
        tree = next(unpacked.iterdir())
    else:
        tree = next((path.parent for path in kept.glob("pip-download-*/*/PKG-INFO")), None)
        if tree is None:
            raise OSError(done.stderr.strip().rpartition("\n")[2])
    shutil.copytree(tree, target, dirs_exist_ok=True, symlinks=True)


def _download(row: Mapping[str, str], options: list[str], scratch: Path) -> list[str]:
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{row['name']}=={row['version']} --hash=sha256:{row['sha256']}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    return [*command, *options, "--dest", str(scratch), "--requirement", str(wanted)]


def main() -> None:
    """Fetch what is missing; exit 1 where something can't be had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="names of releases")
    args = parser.parse_args()
    failed = 0
    for row in releases():
        tree = folder_of(row, args.folder)
        if tree.exists() or (args.only and row["name"] not in args.only):
            continue
        unfinished = tree.with_name(f"{tree.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                fetch = fetch_source if row.get("kind") == "source" else fetch_wheel
                fetch(row, unfinished, Path(scratch))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{tree.name}: {error}", file=sys.stderr)
            failed += 1
            continue
        unfinished.rename(tree)
        print(tree.name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
