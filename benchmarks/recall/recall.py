"""How many of the places that break are found? `check` against the sites of an oracle, kind by kind.

    python benchmarks/recall/fetch.py TREES
    python benchmarks/recall/recall.py TREES [--json FILE]

A site counts as found where `check --to 0.18.1` has a finding that names what is gone and covers the site's
line, itself or with an edit; where an argument stands on the line below its call, that line will do. What
is found as a note only (a guess by name alone, or code that needs an engine in its own process) is counted
apart.

Every miss is listed. `reasons.toml` says of a miss why it is none: the code reaches vLLM by a name that
exists only when it runs (`reflection`), the value decides and it comes from outside (`runtime value`), the
module isn't in the tree (`external module`), or the oracle is mistaken (`no site`), with the evidence.
Recall is given both over all sites and without those. A reason for a site that is found ends the benchmark,
as does an unknown one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fetch import repositories
from trees import folder_of, read_rows, report, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HERE = Path(__file__).resolve().parent
TARGET = "0.18.1"
"""What the oracle was made against."""
REASONS = {
    "miss": ("reflection", "runtime value", "external module", "no site"),
    "left": ("vendored engine", "runtime value", "needs a person"),
}
LEVELS = ("note", "warning", "error")
SITE = ("repository", "version", "file", "line", "kind", "name")


def read_sites() -> list[dict[str, Any]]:
    """The sites of `sites.jsonl`."""
    return [json.loads(line) for line in (HERE / "sites.jsonl").read_text(encoding="utf-8").splitlines()]


def key(site: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one site from the others."""
    return tuple(site[part] for part in SITE)


def check(folder: Path) -> dict[str, Any]:
    """What `check` says of a tree."""
    return result_of(["check", "--to", TARGET], folder)


def lines_of(finding: Mapping[str, Any], text: bytes) -> Iterator[tuple[int, int]]:
    """The first and last line of a finding and of each of its edits."""
    yield finding["line"] - 1, finding["end_line"]
    for edit in finding["edits"]:
        if "span" in edit:
            start, end = (text.count(b"\n", 0, offset) + 1 for offset in edit["span"])
            yield start, end


def speaks_of(finding: Mapping[str, Any], site: Mapping[str, Any], text: bytes) -> bool:
    """Whether a finding covers a site's line and names what is gone there."""
    if finding["path"] != site["file"]:
        return False
    parts = site["name"].lstrip("-").split(".")
    words = (parts[0], parts[-1]) if site["kind"].startswith("engine_") else parts[-1:]
    if not any(word in finding["message"] + finding["advice"] for word in words):
        return False
    return any(first <= site["line"] <= last for first, last in lines_of(finding, text))


def read_reasons(
    sites: Iterable[Mapping[str, Any]], table: str = "miss"
) -> dict[tuple[Any, ...], dict[str, str]]:
    """Why single sites need not be found (`miss`), or are left to a person (`left`)."""
    rows = read_rows(HERE / "reasons.toml", table)
    known = {key(site) for site in sites}
    for row in rows:
        if key(row) not in known or row["reason"] not in REASONS[table] or not row["evidence"]:
            sys.exit(f"reasons.toml: no such site, or no such reason: {row}")
    return {key(row): row for row in rows}


def measure(trees: Path) -> dict[str, Any]:
    """Check every tree that is there and compare with its sites."""
    sites = read_sites()
    reasons = read_reasons(sites)
    rows: list[dict[str, Any]] = []
    unjudged: list[str] = []
    absent: list[str] = []
    for repository in repositories():
        folder = folder_of(repository, trees)
        if not folder.is_dir():
            absent.append(folder.name)
            continue
        result = check(folder)
        unjudged += [f"{folder.name}/{d['path']}: {d['message']}" for d in result["diagnostics"]]
        for site in sites:
            if (site["repository"], site["version"]) != (repository["name"], repository["version"]):
                continue
            text = (folder / site["file"]).read_bytes()
            by = [finding for finding in result["findings"] if speaks_of(finding, site, text)]
            codes = sorted({finding["code"] for finding in by})
            reason = reasons.get(key(site))
            if codes and reason:
                sys.exit(f"reasons.toml excuses a site that is found: {site}")
            level = max((finding["level"] for finding in by), key=LEVELS.index, default="")
            rows.append(
                {**site, "found": codes, "level": level, "reason": reason["reason"] if reason else ""}
            )
    return {"target": TARGET, "sites": rows, "absent": absent, "unjudged": unjudged}


def show(result: Mapping[str, Any]) -> int:
    """Print recall per kind and every miss; returns how many misses have no reason."""
    rows = result["sites"]
    kinds = [*sorted({row["kind"] for row in rows}), ""]
    for kind in kinds:
        of_kind = [row for row in rows if kind in ("", row["kind"])]
        found = sum(bool(row["found"]) for row in of_kind)
        left = sum(not row["reason"] for row in of_kind)
        notes = sum(row["level"] == "note" for row in of_kind)
        share = f"{found:3} of {len(of_kind):3} ({found / len(of_kind):6.1%}), {notes:2} as notes"
        rest = f"without those with a reason {found} of {left} ({found / left if left else 1:.1%})"
        print(f"{kind or 'all':34} {share}; {rest}")
    for row in rows:
        if not row["found"]:
            place = f"{row['repository']}-{row['version']}/{row['file']}:{row['line']}"
            print(f"  {row['reason'] or 'MISSED'}: {place} {row['kind']} {row['name']}")
    for name in result["absent"]:
        print(f"  not downloaded: {name}")
    for message in result["unjudged"]:
        print(f"  not judged: {message}")
    return sum(not row["found"] and not row["reason"] for row in rows)


if __name__ == "__main__":
    report(__doc__, measure, show)
