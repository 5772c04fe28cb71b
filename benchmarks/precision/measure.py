"""How many findings are true? `check` on released trees against labels made by reading code and target.

    python benchmarks/precision/fetch.py TREES
    python benchmarks/precision/measure.py TREES [--json FILE]

`labels.jsonl` has one line for each finding that somebody judged: whether what it says of this code, advice
and level included, is true on the target, and why. A finding is its label's by release, file, line, column,
rule and level; `says` is a hash of its words. A true label outlives new words for the same place, which are
counted; a false one doesn't: new words have to be judged again.

Every finding of every tree of `releases.toml` is to be labelled, and those that are not are listed. Of a
release with `sampled` only the places that have labels are asked about; `sampled` says which those are.
Precision is given with the interval of Clopper and Pearson at 95%, once over what the labels were first made
for, before anything was mended by them (`pass` 1), and once over what is found now. Releases whose `set` is
"held-out", or "held-out-2" to "held-out-5", are counted apart from both: over their labels of `pass` 3, 4, 5,
7 or 8, made when no rule had been mended by anything found in them, and over what is found in them now. From
the second on they are also counted by their `area`, once for each wording in a release, and by place and
message alone, which hold without the advice where a false label says so (`place`). `labelled_now` is what is
found in all sets but the last now: they are spent, as rules were mended by what was found in them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fetch import releases
from shares import interval
from trees import folder_of, report, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HERE = Path(__file__).resolve().parent
TARGET = "0.32.0"
HELD_OUT = {"held-out": 3, "held-out-2": 4, "held-out-3": 5, "held-out-4": 7, "held-out-5": 8}
"""Sets of releases by which no rule had been mended when they were labelled: the `pass` of their labels."""
SPENT = ("held-out", "held-out-2", "held-out-3", "held-out-4")
"""Those that rules have been mended by since."""
KEY = ("repository", "version", "file", "line", "column", "rule", "level")


def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one finding from the others; two of one rule at one place share it."""
    return tuple(row[part] for part in KEY)


def place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a finding is, and of which rule, whatever its level."""
    return tuple(row[part] for part in KEY if part != "level")


def read_labels() -> list[dict[str, Any]]:
    """The lines of `labels.jsonl`."""
    return [json.loads(line) for line in (HERE / "labels.jsonl").read_text(encoding="utf-8").splitlines()]


def check(folder: Path) -> dict[str, Any]:
    """What `check` says of a tree, down to notes."""
    return result_of(["check", "--to", TARGET], folder)


def found_in(release: Mapping[str, str], folder: Path) -> Iterable[dict[str, Any]]:
    """The findings of one tree, as `labels.jsonl` names them."""
    for finding in check(folder)["findings"]:
        words = f"{finding['message']}\n{finding['advice']}"
        yield {
            "repository": release["name"],
            "version": release["version"],
            "sha256": release.get("sha256", ""),
            "file": finding["path"],
            "line": finding["line"],
            "column": finding["column"],
            "rule": finding["code"],
            "level": finding["level"],
            "target": TARGET,
            "says": hashlib.sha256(words.encode()).hexdigest()[:12],
            "message": finding["message"],
            "advice": finding["advice"],
        }


def judge(finding: Mapping[str, Any], labels: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The label of a finding among those with its key, or None where nobody judged these words."""
    same = next((label for label in labels if label["says"] == finding["says"]), None)
    return same or next((label for label in labels if label["label"]), None)


def share(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Labelled findings, true ones among them, precision and its interval."""
    labels = [bool(row["label"]) for row in rows]
    hits, total = sum(labels), len(labels)
    low, high = interval(hits, total)
    return {
        "labelled": total,
        "true": hits,
        "precision": round(hits / total, 4) if total else None,
        "interval": [round(low, 4), round(high, 4)],
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Precision over all labelled findings, per rule, and per set of releases."""
    rules: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    sets: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    trees: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    kinds = {(row["name"], row["version"]): row["set"] for row in releases()}
    for row in rows:
        rules[row["rule"]].append(row)
        sets[kinds[row["repository"], row["version"]]].append(row)
        trees[f"{row['repository']}-{row['version']}"].append(row)
    return {
        "all": share(rows),
        "repositories": len({row["repository"] for row in rows}),
        "releases": len({(row["repository"], row["version"]) for row in rows}),
        "sets": {name: share(some) for name, some in sorted(sets.items())},
        "trees": {name: share(some) for name, some in sorted(trees.items())},
        "rules": {name: share(some) for name, some in sorted(rules.items())},
    }


def aspects(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Precision by area, once for each wording in a release, and of place and message without the advice.

    A wording is true in a release where all of its findings there are.
    """
    of = {(release["name"], release["version"]): release.get("area", "") for release in releases()}
    areas: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    wordings: dict[tuple[Any, ...], bool] = {}
    for row in rows:
        areas[of[row["repository"], row["version"]]].append(row)
        wording = (row["repository"], row["version"], row["rule"], row["level"], row["says"])
        wordings[wording] = wordings.get(wording, True) and bool(row["label"])
    places = [{"label": row["label"] or row.get("place", False)} for row in rows]
    return {
        "areas": {name: share(some) for name, some in sorted(areas.items())},
        "wordings": share([{"label": label} for label in wordings.values()]),
        "places_and_messages": share(places),
    }


def measure(trees: Path) -> dict[str, Any]:
    """Check every tree and join its findings with the labels."""
    labels = read_labels()
    known: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in labels:
        known[key(row)].append(row)
    asked = {place(row) for row in labels}
    now: list[dict[str, Any]] = []
    held_out: dict[str, list[dict[str, Any]]] = {name: [] for name in HELD_OUT}
    open_: list[dict[str, Any]] = []
    absent: list[str] = []
    for release in releases():
        folder = folder_of(release, trees)
        if not folder.is_dir():
            absent.append(folder.name)
            continue
        for finding in found_in(release, folder):
            label = judge(finding, known[key(finding)])
            if label is None:
                if "sampled" not in release or place(finding) in asked:
                    open_.append(finding)
            else:
                named = {part: finding[part] for part in (*KEY, "says")}
                reworded = label["says"] != finding["says"]
                held_out.get(release["set"], now).append(
                    {**named, "label": label["label"], "reason": label["reason"], "reworded": reworded}
                )
    first = [label for label in labels if label["pass"] == 1]
    apart: dict[str, Any] = {}
    for name, number in HELD_OUT.items():
        unseen = [label for label in labels if label["pass"] == number]
        title = name.replace("-", "_")
        apart[title] = {**summary(unseen), **({} if number == min(HELD_OUT.values()) else aspects(unseen))}
        apart[f"{title}_now"] = summary(held_out[name])
    spent = [*now, *(row for name in SPENT for row in held_out[name])]
    return {
        "target": TARGET,
        "first_pass": summary(first),
        "now": summary(now),
        **apart,
        "labelled_now": summary(spent),
        "false_errors_in_migrated": [
            row for row in now if not row["label"] and row["level"] == "error" and _migrated(row)
        ],
        "reworded": sum(row["reworded"] for row in itertools.chain(now, *held_out.values())),
        "absent": absent,
        "unlabelled": open_,
        "findings": now,
        **{f"{name.replace('-', '_')}_findings": rows for name, rows in held_out.items()},
    }


def _migrated(row: Mapping[str, Any]) -> bool:
    return any(
        release["set"] == "migrated" and release["name"] == row["repository"]
        for release in releases()
        if release["version"] == row["version"]
    )


def show(result: Mapping[str, Any]) -> int:
    """Print all precisions, each rule's, and what is false; returns how much nobody has judged."""
    apart = [name.replace("-", "_") for name in HELD_OUT]
    titles = ["first_pass", "now", *(f"{name}{when}" for name in apart for when in ("", "_now"))]
    for title in [*titles, "labelled_now"]:
        part = result[title]
        print(
            f"{title.replace('_', ' ')}: {_line(part['all'])}; "
            f"{part['repositories']} repositories, {part['releases']} releases"
        )
        for name, row in part["trees" if title in apart else "sets"].items():
            print(f"  {name:9} {_line(row)}")
        for name, row in part.get("areas", {}).items():
            print(f"  {name}: {_line(row)}")
        for name in ("wordings", "places_and_messages"):
            if name in part:
                print(f"  {name.replace('_', ' ')}: {_line(part[name])}")
    for name, row in result["now"]["rules"].items():
        before = result["first_pass"]["rules"].get(name)
        print(
            f"{name}  {_line(row)}" + (f"   before {before['true']}/{before['labelled']}" if before else "")
        )
    for row in itertools.chain(result["findings"], *(result[f"{name}_findings"] for name in apart)):
        if not row["label"]:
            print(f"FALSE {_place(row)}: {row['reason']}")
    for row in result["unlabelled"]:
        print(f"UNLABELLED {_place(row)} {row['says']}: {row['message']}")
    if result["absent"]:
        print("absent: " + ", ".join(result["absent"]))
    print(f"false errors in migrated trees: {len(result['false_errors_in_migrated'])}")
    return len(result["unlabelled"]) + len(result["absent"])


def _line(row: Mapping[str, Any]) -> str:
    if not row["labelled"]:
        return "nothing labelled"
    low, high = row["interval"]
    return f"{row['true']}/{row['labelled']} true, {row['precision']:.1%} [{low:.1%}, {high:.1%}]"


def _place(row: Mapping[str, Any]) -> str:
    tree = f"{row['repository']}-{row['version']}"
    return f"{row['rule']} {row['level']} {tree}/{row['file']}:{row['line']}:{row['column']}"


if __name__ == "__main__":
    report(__doc__, measure, show)
