"""What must not be rewritten isn't: `rewrite --diff --unsafe-fixes` on trees that are to be left alone.

    python benchmarks/precision/fetch.py TREES
    python benchmarks/precision/no_edit.py TREES [--json FILE]

A tree whose `edits` in `releases.toml` are "none" must get no edit. One whose edits are "neutral" is an
evaluation harness: no line that is added may name a setting that changes what the harness measures, unless a
line that goes named it as well.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fetch import folder_of, releases
from measure import HERE, TARGET

if TYPE_CHECKING:
    from collections.abc import Mapping

MEASURED = re.compile(
    r"\b(?:logprobs_mode|enable_prefix_caching|async_scheduling|seed|generation_config|temperature|top_[pk]|min_p"
    r"|prompt_logprobs|logprobs|n|max_tokens|dtype)\b\s*[=\"':]"
)
"""Settings that change scores: what is sampled, and which log-probabilities come back."""


def diff(folder: Path) -> str:
    """What `rewrite` would change in a tree."""
    command = ["rewrite", "--to", TARGET, "--diff", "--unsafe-fixes", "--allow-dirty", "--quiet", "."]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "vllm_migrate", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"rewrite in {folder} ended with {done.returncode}: {done.stderr[-500:]}")
    return "\n".join(_hunks(done.stdout))


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


def main() -> None:
    """Rewrite nothing, look at what would be; exit 1 where something would be that must not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    parser.add_argument("--json", type=Path, help="write the raw results here")
    args = parser.parse_args()
    rows: list[Mapping[str, Any]] = []
    for release in releases():
        if kind := release.get("edits"):
            folder = folder_of(release, args.trees)
            changed = diff(folder)
            lines = sum(line.startswith("+") and not line.startswith("+++") for line in changed.splitlines())
            bad = wrong(kind, changed)
            rows.append({"tree": folder.name, "edits": kind, "lines_added": lines, "wrong": bad})
            print(f"{folder.name}: {kind}; {lines} lines added, {len(bad)} that must not be")
            print("\n".join(bad), end="\n" if bad else "")
    if args.json:
        args.json.write_text(json.dumps({"target": TARGET, "trees": rows}, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if any(row["wrong"] for row in rows) else 0)


if __name__ == "__main__":
    main()
