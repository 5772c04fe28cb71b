"""The baseline: findings that are known, so that a check says only what came since.

A file of fingerprints, one to a line and sorted, so that what a change adds or settles is what a diff of it
shows. No line numbers: code that moves stays known. As many findings alike as are counted are known, the
first ones of the file.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.json_text import escaped

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.edits.model import Finding

SCHEMA = "vllm-migrate/baseline/1"
_AGAIN = "`vllm-migrate baseline` writes it anew"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Findings alike in one file: a rule's code and the code it is about.

    Attributes:
        path: from the baseline's directory, with forward slashes.
        snippet: as `fingerprint.snippet` normalises it.
    """

    path: str
    code: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a baseline did to a scan.

    Attributes:
        file: the baseline, as the user is told it.
        hidden: the findings it holds.
        stale: entries that no finding met any more, each with how many times.
    """

    file: str
    hidden: tuple[Finding, ...]
    stale: tuple[tuple[Entry, int], ...]


def read_baseline(file: Path) -> Counter[Entry]:
    """The entries of a baseline, each with how many findings it stands for.

    Raises:
        InputError: where it can't be read or is no baseline.
    """
    try:
        value = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error.strerror}", hint=_AGAIN) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not valid JSON: {error}", hint=_AGAIN) from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise InputError(f"{file}: not a baseline of the form {SCHEMA!r}", hint=_AGAIN)
    entries = value.get("findings")
    if not isinstance(entries, list):
        raise InputError(f"{file}: `findings` must be a list", hint=_AGAIN)
    counts: Counter[Entry] = Counter()
    for number, entry in enumerate(entries, start=1):
        counts.update(_entry(entry, file, number))
    return counts


def _entry(entry: Any, file: Path, number: int) -> dict[Entry, int]:
    if isinstance(entry, dict):
        path, code, snippet, count = (entry.get(key) for key in ("path", "code", "snippet", "count"))
        strings = isinstance(path, str) and isinstance(code, str) and isinstance(snippet, str)
        if strings and type(count) is int and count > 0:
            return {Entry(str(path), str(code), str(snippet)): count}
    raise InputError(f"{file}: entry {number} needs path, code, snippet and a count above zero", hint=_AGAIN)


def baseline_text(counts: Counter[Entry]) -> str:
    """The file's content; the same findings give the same bytes."""
    lines = [
        "    " + escaped(json.dumps(_plain(entry, count), ensure_ascii=False))
        for entry, count in sorted(counts.items())
    ]
    findings = "[\n" + ",\n".join(lines) + "\n  ]" if lines else "[]"
    return f'{{\n  "schema": "{SCHEMA}",\n  "findings": {findings}\n}}\n'


def _plain(entry: Entry, count: int) -> dict[str, object]:
    return {"path": entry.path, "code": entry.code, "count": count, "snippet": entry.snippet}
