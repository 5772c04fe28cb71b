"""Code of others that benchmarks read: downloaded once, known by its hash, checked, never run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = ("any", "manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64")


def read_rows(path: Path, table: str) -> list[dict[str, str]]:
    """One of the lists of a TOML file; empty where it is absent."""
    rows: list[dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8")).get(table, [])
    return rows


def folder_of(row: Mapping[str, str], folder: Path) -> Path:
    """Where the tree of a release lies."""
    return folder / f"{row['name']}-{row['version']}"


def download(row: Mapping[str, str], options: list[str], scratch: Path) -> list[str]:
    """The command by which pip downloads a release into `scratch` and compares its SHA-256."""
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{row['name']}=={row['version']} --hash=sha256:{row['sha256']}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    return [*command, *options, "--dest", str(scratch), "--requirement", str(wanted)]


def fetch_wheel(row: Mapping[str, str], target: Path) -> None:
    """Unpack a wheel whose bytes have the hash that its row gives."""
    options = ["--only-binary=:all:", "--python-version", row.get("python", "3.11")]
    options += [word for platform in PLATFORMS for word in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        subprocess.run(download(row, options, scratch), check=True)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as archive:
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


def fetch_missing(
    description: str, rows: list[dict[str, str]], fetch: Callable[[Mapping[str, str], Path], None]
) -> None:
    """The command line of a fetch.py: every tree that is not there yet; exit 1 where one can't be had."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="names of releases")
    args = parser.parse_args()
    failed = 0
    for row in rows:
        tree = folder_of(row, args.folder)
        if tree.exists() or (args.only and row["name"] not in args.only):
            continue
        unfinished = tree.with_name(f"{tree.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            fetch(row, unfinished)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{tree.name}: {error}", file=sys.stderr)
            failed += 1
            continue
        unfinished.rename(tree)
        print(tree.name)
    sys.exit(1 if failed else 0)


def start(command: list[str], folder: Path, codes: tuple[int, ...]) -> bytes:
    """What a command of ours prints on the tree in `folder`; ends the benchmark at any other exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "vllm_migrate", *command, "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    if done.returncode not in codes:
        sys.exit(
            f"{' '.join(command)} in {folder} ended with {done.returncode}: {done.stderr.decode()[-500:]}"
        )
    return done.stdout


def result_of(command: list[str], folder: Path) -> dict[str, Any]:
    """The JSON result of a command of ours on the tree in `folder`, whatever it found."""
    printed = start([*command, "--output-format", "json"], folder, (0, 1, 2))
    result: dict[str, Any] = json.loads(printed)
    return result


def report(
    description: str, measure: Callable[[Path], dict[str, Any]], show: Callable[[dict[str, Any]], int]
) -> None:
    """The command line of a benchmark over trees: measure, keep the raw results where asked, print.

    Args:
        description: the module's docstring.
        measure: gives the results of the trees in a folder.
        show: prints them and says how much falls short; exit 1 where anything does.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("trees", type=Path)
    parser.add_argument("--json", type=Path, help="write the raw results there")
    args = parser.parse_args()
    result = measure(args.trees.resolve())
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if show(result) else 0)
