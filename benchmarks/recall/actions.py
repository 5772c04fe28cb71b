"""Is what should be edited edited, and only that? `rewrite --unsafe-fixes` on copies, site by site.

    python benchmarks/recall/fetch.py TREES
    python benchmarks/recall/actions.py TREES [--json FILE]

A site that is marked `auto` counts where the edit changed its line and `check` of the result no longer
speaks of it there; a line that only lost something counts where what it lost does nothing on the target, as
`NO_OPS` says. A site that is marked `flag` counts where it carries an instruction, or was edited.
`reasons.toml` names the sites that are left to a person although their kind is edited elsewhere, with the
evidence.

Of every tree it is shown as well that each Python file that could be parsed still can, that a second run
edits nothing, and that every line is byte by byte what it was unless an edit was announced for it by
`check`.
"""

from __future__ import annotations

import ast
import difflib
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fetch import repositories
from recall import TARGET, check, key, read_reasons, read_sites, speaks_of
from trees import folder_of, report, result_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NO_OPS = {
    "swap_space": "V1 recomputes preempted requests and never swaps",
    "max_seq_len_to_capture": "V1 takes what it captures from compilation_config",
    "preemption_mode": "V1 only recomputes",
    "disable_mm_preprocessor_cache": "False was the default; the cache is on unless its size is set to 0",
    "truncate_prompt_tokens": "no engine up to 0.8.5 read it; from later sources it is left to a person",
    "best_of": "1, or as many as n: nothing is chosen from",
    "disable_log_requests": "requests are not logged unless enable_log_requests asks for it",
    "VLLM_USE_V1": "there is no other engine",
    "VLLM_ATTENTION_BACKEND": "not read any more; XFORMERS is no backend of V1",
    "_assert_memory_footprint_increased_during_profiling": "V1 makes no such check",
    "stop_remote_worker_execution_loop": "V1 keeps no such loop",
}
"""What may be deleted without a replacement, and why nothing is lost."""

Lines = list[bytes]


def rewrite(folder: Path) -> dict[str, Any]:
    """Rewrite a tree in place."""
    return result_of(["rewrite", "--to", TARGET, "--unsafe-fixes", "--allow-dirty"], folder)


def hunks(before: Lines, after: Lines) -> list[tuple[int, int, int, int]]:
    """Changed ranges of lines, 0-based and end-exclusive: of the old file, then of the new one."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [(i, j, k, n) for kind, i, j, k, n in matcher.get_opcodes() if kind != "equal"]


def announced(findings: Sequence[Mapping[str, Any]], text: bytes) -> Iterator[tuple[int, int]]:
    """The lines (0-based, end-exclusive) that the edits of a file's findings may change or stand beside."""
    for finding in findings:
        for edit in finding["edits"]:
            spans = [value for value in edit.values() if isinstance(value, list) and len(value) == len("ab")]
            for start, end in spans:
                yield text.count(b"\n", 0, start), text.count(b"\n", 0, end) + 1
            if edit["kind"] == "AddImport" and not spans:
                yield 0, text.count(b"\n") + 1


def parses(text: bytes) -> bool:
    """Whether a file is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def emptied(line: bytes) -> bytes:
    """The line of a YAML key whose mapping has lost all its keys."""
    text = line.rstrip(b"\r\n")
    return text + b" {}" + line[len(text) :]


def faults(tree: str, old: Path, new: Path, checked: Mapping[str, Any]) -> list[str]:
    """Files that no longer parse, or that changed where no edit was announced."""
    found = []
    for path in sorted(file for file in old.rglob("*") if file.is_file()):
        name = path.relative_to(old).as_posix()
        before, after = path.read_bytes(), (new / name).read_bytes()
        if before == after:
            continue
        if name.endswith(".py") and parses(before) and not parses(after):
            found.append(f"{tree}/{name} no longer parses")
        findings = [finding for finding in checked["findings"] if finding["path"] == name]
        places = list(announced(findings, before))
        old_lines, new_lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
        for first, last, now, _ in hunks(old_lines, new_lines):
            if first < last and new_lines[now : now + 1] == [emptied(old_lines[first])]:
                first += 1  # noqa: PLW2901 - a mapping whose last key went says so itself
                if first == last:
                    continue
            if not any(start <= first and last <= end for start, end in places):
                inside = [n for n in range(first, last) if not any(a <= n < b for a, b in places)]
                if inside or not any(start <= first <= end for start, end in places):
                    found.append(f"{tree}/{name}:{first + 1} changed, where nothing was announced")
    return found


def replaces(finding: Mapping[str, Any]) -> bool:
    """Whether a finding's edits put something in the place of what they remove, be it elsewhere."""
    return any(not edit["kind"].startswith("Remove") and edit.get("text") != "" for edit in finding["edits"])


def judge(
    site: Mapping[str, Any], old: Path, new: Path, checked: Mapping[str, Any], again: Mapping[str, Any]
) -> dict[str, Any]:
    """What happened to a site."""
    before = (old / site["file"]).read_bytes()
    after = (new / site["file"]).read_bytes()
    about = [finding for finding in checked["findings"] if speaks_of(finding, site, before)]
    touched = [
        hunk
        for hunk in hunks(before.splitlines(keepends=True), after.splitlines(keepends=True))
        if hunk[0] < site["line"] <= hunk[1]
    ]
    moved = [{**site, "line": line} for hunk in touched for line in range(hunk[2] + 1, hunk[3] + 1)]
    left = [
        finding["code"]
        for finding in again["findings"]
        if finding["level"] != "note" and any(speaks_of(finding, place, after) for place in moved)
    ]
    deleted = bool(touched) and all(hunk[2] == hunk[3] for hunk in touched)
    word = site["name"].split(".")[-1].lstrip("-").replace("-", "_")
    return {
        **site,
        "edited": bool(touched and about) and not left,
        "left": sorted(set(left)),
        "deleted": deleted,
        "undocumented": deleted and word not in NO_OPS and not any(map(replaces, about)),
        "instructed": any(finding["advice"] for finding in about),
        "codes": sorted({finding["code"] for finding in about}),
    }


def measure(trees: Path) -> dict[str, Any]:
    """Rewrite a copy of every tree that is there."""
    sites, excused = read_sites(), read_reasons(read_sites())
    rows: list[dict[str, Any]] = []
    bad: list[str] = []
    changed: dict[str, int] = {}
    for repository in repositories():
        old = folder_of(repository, trees)
        if not old.is_dir():
            continue
        with tempfile.TemporaryDirectory() as name:
            new = Path(name) / old.name
            shutil.copytree(old, new, symlinks=True)
            checked = check(old)
            done = rewrite(new)
            changed[old.name] = done["summary"]["files_changed"]
            bad += faults(old.name, old, new, checked)
            again = check(new)
            copies = {path: path.read_bytes() for path in new.rglob("*") if path.is_file()}
            rewrite(new)
            bad += [
                f"{path} changed in a second run"
                for path, text in copies.items()
                if path.read_bytes() != text
            ]
            for site in sites:
                if (site["repository"], site["version"]) != (repository["name"], repository["version"]):
                    continue
                if key(site) not in excused:
                    rows.append(judge(site, old, new, checked, again))
    return {"target": TARGET, "sites": rows, "files_changed": changed, "faults": bad}


def show(result: Mapping[str, Any]) -> int:
    """Print the shares and everything that falls short; returns how much does."""
    left = read_reasons(read_sites(), "left")
    short = 0
    for action in ("auto", "flag"):
        rows = [row for row in result["sites"] if row["action"] == action]
        edited = sum(row["edited"] for row in rows)
        told = sum(row["instructed"] and not row["edited"] for row in rows)
        print(f"{action}: {len(rows)} sites, {edited} edited, {told} with an instruction for a person")
        for row in rows:
            fine = row["edited"] or (action == "flag" and row["instructed"])
            if fine and not row["undocumented"] and not row["left"]:
                continue
            reason = left.get(key(row), {}).get("reason", "")
            short += not reason
            place = f"{row['repository']}-{row['version']}/{row['file']}:{row['line']}"
            why = f"{', '.join(row['codes'])}{', deleted' if row['deleted'] else ''}"
            why += f", still {', '.join(row['left'])}" if row["left"] else ""
            print(f"  {reason or 'SHORT'}: {place} {row['kind']} {row['name']} ({why})")
    changed = result["files_changed"]
    print(f"{len(changed)} trees, {sum(changed.values())} files changed; {len(result['faults'])} faults")
    for fault in result["faults"]:
        print(f"  FAULT: {fault}")
    return short + len(result["faults"])


if __name__ == "__main__":
    report(__doc__, measure, show)
