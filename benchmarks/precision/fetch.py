"""Downloads the releases that precision is measured on.

    python benchmarks/precision/fetch.py FOLDER [--only NAME ...]

Every release of `releases.toml` becomes FOLDER/NAME-VERSION; what is there already stays. pip downloads it
and compares the SHA-256 before anything is unpacked; where a release has `git`, the tree of its commit is
fetched. Of a source archive pip asks the build backend for its metadata, which fails for one that wants
torch: its unpacked tree is taken nevertheless, as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trees import download, fetch_commit, fetch_missing, fetch_wheel, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping


def releases() -> list[dict[str, str]]:
    """What `releases.toml` lists."""
    return read_rows(Path(__file__).with_name("releases.toml"), "release")


def fetch(row: Mapping[str, str], target: Path) -> None:
    """Unpack a release of whichever kind."""
    if "git" in row:
        fetch_commit(row, target)
        return
    if row.get("kind") != "source":
        fetch_wheel(row, target)
        return
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(unpacked_source(row, Path(scratch)), target, dirs_exist_ok=True, symlinks=True)


def unpacked_source(row: Mapping[str, str], scratch: Path) -> Path:
    """The tree of a source archive; where pip could not read its metadata, the one pip has unpacked."""
    kept = scratch / "kept"
    kept.mkdir()
    options = ["--no-binary=:all:", "--no-build-isolation", "--no-clean"]
    done = subprocess.run(
        download(row, options, scratch),
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
        return next(unpacked.iterdir())
    left = next(kept.glob("pip-download-*/*/PKG-INFO"), None)
    if left is None:
        raise OSError(done.stderr.strip().rpartition("\n")[2])
    return left.parent


if __name__ == "__main__":
    fetch_missing(__doc__, releases(), fetch)
