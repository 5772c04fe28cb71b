"""Downloads the code that recall is measured on.

    python benchmarks/recall/fetch.py FOLDER [--only NAME ...]

Every repository of `corpus.toml` becomes FOLDER/NAME-VERSION: a released archive, whose SHA-256 pip compares
before it is unpacked, or the tree of a commit. What is there already stays. Nothing of it is ever run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
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

CORPUS = Path(__file__).with_name("corpus.toml")
PLATFORMS = ("any", "manylinux1_x86_64", "manylinux_2_28_x86_64")


def repositories() -> list[dict[str, str]]:
    """What `corpus.toml` lists."""
    rows: list[dict[str, str]] = tomllib.loads(CORPUS.read_text(encoding="utf-8"))["repository"]
    return rows


def folder_of(row: Mapping[str, str], folder: Path) -> Path:
    """Where the tree of a repository lies."""
    return folder / f"{row['name']}-{row['version']}"


def fetch_archive(row: Mapping[str, str], target: Path) -> None:
    """Unpack a wheel whose bytes have the hash that `corpus.toml` gives."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = folder / "wanted.txt"
        wanted.write_text(
            f"{row['name']}=={row['version']} --hash=sha256:{row['sha256']}\n", encoding="utf-8"
        )
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--python-version", row.get("python", "3.11")]
        command += [word for platform in PLATFORMS for word in ("--platform", platform)]
        subprocess.run([*command, "--dest", name, "--requirement", str(wanted)], check=True)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
            archive.extractall(target)


def fetch_commit(row: Mapping[str, str], target: Path) -> None:
    """The tree of one commit, without its history."""
    for command in (
        ["init", "--quiet"],
        ["fetch", "--quiet", "--depth", "1", row["git"], row["version"]],
        ["checkout", "--quiet", "FETCH_HEAD"],
    ):
        subprocess.run(["git", "-C", str(target), *command], check=True)  # noqa: S607 - git is whichever is installed
    shutil.rmtree(target / ".git")


def main() -> None:
    """Fetch what is missing; exit 1 where something can't be had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="names of repositories")
    args = parser.parse_args()
    failed = 0
    for row in repositories():
        tree = folder_of(row, args.folder)
        if tree.exists() or (args.only and row["name"] not in args.only):
            continue
        unfinished = tree.with_name(f"{tree.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            (fetch_commit if "git" in row else fetch_archive)(row, unfinished)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{tree.name}: {error}", file=sys.stderr)
            failed += 1
            continue
        unfinished.rename(tree)
        print(tree.name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
