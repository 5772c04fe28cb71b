"""Downloads the code that recall is measured on.

    python benchmarks/recall/fetch.py FOLDER [--only NAME ...]

Every repository of `corpus.toml` becomes FOLDER/NAME-VERSION: a released archive, whose SHA-256 pip compares
before it is unpacked, or the tree of a commit. What is there already stays. Nothing of it is ever run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trees import fetch_commit, fetch_missing, fetch_wheel, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping


def repositories() -> list[dict[str, str]]:
    """What `corpus.toml` lists."""
    return read_rows(Path(__file__).with_name("corpus.toml"), "repository")


def fetch(row: Mapping[str, str], target: Path) -> None:
    """Unpack a repository of either kind."""
    (fetch_commit if "git" in row else fetch_wheel)(row, target)


if __name__ == "__main__":
    fetch_missing(__doc__, repositories(), fetch)
