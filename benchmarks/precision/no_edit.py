"""What must not be rewritten isn't: `rewrite --diff --unsafe-fixes` on trees that are to be left alone.

    python benchmarks/precision/fetch.py TREES
    python benchmarks/precision/no_edit.py TREES [--json FILE]

A tree whose `edits` in `releases.toml` are "none" must get no edit. One whose edits are "neutral" is an
evaluation harness: no line that is added may name a setting that changes what the harness measures, unless a
line that goes named it as well.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fetch import releases
from measure import TARGET
from trees import folder_of, report, start

if TYPE_CHECKING:
    from collections.abc import Mapping

MEASURED = re.compile(
    r"\b(?:logprobs_mode|enable_prefix_caching|async_scheduling|seed|generation_config|temperature|top_[pk]|min_p"
    r"|prompt_logprobs|logprobs|n|max_tokens|dtype)\b\s*[=\"':]"
)
"""Settings that change scores: what is sampled, and which log-probabilities come back."""


def diff(folder: Path) -> str:
    """What `rewrite` would change in a tree."""
    command = ["rewrite", "--to", TARGET, "--diff", "--unsafe-fixes", "--allow-dirty", "--quiet"]
    return "\n".join(_hunks(start(command, folder, (0, 1)).decode()))


def _hunks(text: str) -> list[str]:
    """The lines of the diff itself, without what is printed around it."""
    return [line for line in text.splitlines() if line.startswith(("--- ", "+++ ", "@@ ", "+", "-"))]


def wrong(kind: str, changed: str) -> list[str]:
    """Lines of a diff that a tree of this kind must not have."""
    lines = [line for line in changed.splitlines() if not line.startswith(("---", "+++", "@@"))]
    if kind == "none":
        return lines
    gone = {name for line in lines if line.startswith("-") for name in MEASURED.findall(line)}
    return [
        line
        for line in lines
        if line.startswith("+") and any(name not in gone for name in MEASURED.findall(line))
    ]


def measure(trees: Path) -> dict[str, Any]:
    """What would be edited in each tree that is to be left alone; nothing is written."""
    rows = []
    for release in releases():
        if kind := release.get("edits"):
            folder = folder_of(release, trees)
            changed = diff(folder)
            lines = sum(line.startswith("+") and not line.startswith("+++") for line in changed.splitlines())
            bad = wrong(kind, changed)
            rows.append({"tree": folder.name, "edits": kind, "lines_added": lines, "wrong": bad})
    return {"target": TARGET, "trees": rows}


def show(result: Mapping[str, Any]) -> int:
    """Print what would be edited; returns how many lines must not be."""
    for row in result["trees"]:
        bad = row["wrong"]
        print(f"{row['tree']}: {row['edits']}; {row['lines_added']} lines added, {len(bad)} that must not be")
        print("\n".join(bad), end="\n" if bad else "")
    return sum(len(row["wrong"]) for row in result["trees"])


if __name__ == "__main__":
    report(__doc__, measure, show)
