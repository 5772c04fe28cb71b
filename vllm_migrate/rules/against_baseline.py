"""A scan beside a baseline: which findings are known, which entries no finding meets, what to write."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.edits.baseline import Entry, Known, read_baseline
from vllm_migrate.edits.fingerprint import fingerprints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.rules.scan import ScanResult


def counted(result: ScanResult, file: Path) -> Counter[Entry]:
    """The findings of a scan as entries of a baseline at `file`."""
    return Counter(_entries(result, file))


def merged(new: Counter[Entry], result: ScanResult, file: Path, paths: Sequence[Path]) -> Counter[Entry]:
    """`new` and what the baseline at `file` has on files that this scan did not look at."""
    if not file.exists():
        return new
    asked = _asked(result, file, paths)
    return new + Counter({entry: n for entry, n in read_baseline(file).items() if not asked(entry)})


def without_known(result: ScanResult, file: Path, paths: Sequence[Path], shown: str) -> ScanResult:
    """The scan without the findings that the baseline at `file` holds.

    Args:
        result: the scan.
        file: the baseline.
        paths: what the scan was asked about; entries about other files can't be stale.
        shown: the baseline's name for the user.
    """
    left = read_baseline(file)
    kept: list[Finding] = []
    hidden: list[Finding] = []
    for finding, entry in zip(result.findings, _entries(result, file), strict=True):
        known = left[entry] > 0
        left[entry] -= known
        (hidden if known else kept).append(finding)
    asked = _asked(result, file, paths)
    stale = tuple(sorted((entry, n) for entry, n in left.items() if n > 0 and asked(entry)))
    return replace(result, findings=tuple(kept), baseline=Known(shown, tuple(hidden), stale))


def _entries(result: ScanResult, file: Path) -> Iterable[Entry]:
    folder = Path(os.path.abspath(file)).parent  # noqa: PTH100 - resolve() would follow links in the tree
    places = {found.relative: found.path for found in result.files}

    def path_of(path: PurePosixPath) -> str:
        return Path(os.path.relpath(places[path], folder)).as_posix()

    marks = fingerprints(result.findings, result.facts, path_of)
    return (Entry(mark.path, mark.code, mark.snippet) for mark in marks)


def _asked(result: ScanResult, file: Path, paths: Sequence[Path]) -> Callable[[Entry], bool]:
    """Whether a scan would have found what an entry stands for.

    It would in a file that it judged, by a rule that was selected, and in one that is gone from where it
    looked.
    """
    folder = Path(os.path.abspath(file)).parent  # noqa: PTH100 - see above
    unjudged = {d.path for d in result.diagnostics if d.unjudged}
    judged = {found.path: found.relative for found in result.files if found.relative not in unjudged}
    named = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - see above

    def asked(entry: Entry) -> bool:
        path = Path(os.path.normpath(folder / entry.path))
        if path in judged:
            return result.judge is None or result.judge.is_asked(entry.code, judged[path])
        return not path.exists() and any(path.is_relative_to(name) for name in named)

    return asked
