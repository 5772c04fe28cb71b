"""A project of the benchmark: its case.toml, read and checked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECTS = Path(__file__).resolve().parent / "projects"
OUTCOMES = {"before": ("crash", "wrong", "pass"), "safe": ("pass", "fail"), "unsafe": ("pass", "fail")}
DTYPES = ("bfloat16", "float32")
_KEYS = {"title", "style", "command", "dtype", "timeout", "targets", "expect"}
_EXPECT = {"rollouts", "files", "checks", "control", "v0", *OUTCOMES}


class CaseError(Exception):
    """A case.toml that can't be used; the message names file and key."""


@dataclass(frozen=True)
class Case:
    """What a project is and what must come out of it.

    Attributes:
        name: its folder.
        title, style: for the table and for readers.
        command: arguments; `python` and other programs are looked up in the engine's environment first.
        dtype: what the engine computes in.
        timeout: seconds for one run.
        targets: vLLM versions it can run on.
        rollouts: how many lines `rollouts.jsonl` has.
        files: other files that must be there and not empty.
        checks: names of functions in `checks`.
        before, safe, unsafe: what the author expects of the three V1 runs.
        control: a project that a rewrite must leave alone.
        on_v0: whether it runs on V0; false for a control that was written for V1.
    """

    name: str
    title: str
    style: str
    command: tuple[str, ...]
    dtype: str
    timeout: int
    targets: tuple[str, ...]
    rollouts: int
    files: tuple[str, ...]
    checks: tuple[str, ...]
    before: str
    safe: str
    unsafe: str
    control: bool
    on_v0: bool

    @property
    def tree(self) -> Path:
        """The source tree."""
        return PROJECTS / self.name / "project"


def read(folder: Path) -> Case:
    """Read `folder/case.toml`.

    Raises:
        CaseError: a key is missing, unknown or of the wrong kind.
    """
    path = folder / "case.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{path}: {error}") from error
    expect = document.get("expect", {})
    unknown = (document.keys() - _KEYS) | (expect.keys() - _EXPECT)
    if unknown:
        raise CaseError(f"{path}: unknown {', '.join(sorted(unknown))}")
    if not (folder / "project").is_dir():
        raise CaseError(f"{path}: no project/ beside it")
    return Case(
        name=folder.name,
        title=_text(path, document, "title"),
        style=_text(path, document, "style"),
        command=_texts(path, document, "command"),
        dtype=_one_of(path, document, "dtype", DTYPES, "bfloat16"),
        timeout=_count(path, document, "timeout", 400),
        targets=_texts(path, document, "targets"),
        rollouts=_count(path, expect, "rollouts"),
        files=_texts(path, expect, "files", ()),
        checks=_texts(path, expect, "checks", ()),
        before=_one_of(path, expect, "before", OUTCOMES["before"]),
        safe=_one_of(path, expect, "safe", OUTCOMES["safe"]),
        unsafe=_one_of(path, expect, "unsafe", OUTCOMES["unsafe"], "pass"),
        control=bool(expect.get("control", False)),
        on_v0=bool(expect.get("v0", True)),
    )


def read_all() -> list[Case]:
    """Every project, by name."""
    return [read(path.parent) for path in sorted(PROJECTS.glob("*/case.toml"))]


def _text(path: Path, table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise CaseError(f"{path}: {key} must be a text")
    return value


def _texts(
    path: Path, table: dict[str, Any], key: str, default: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    value = table.get(key, default)
    if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) for entry in value):
        raise CaseError(f"{path}: {key} must be a list of texts")
    return tuple(value)


def _count(path: Path, table: dict[str, Any], key: str, default: int | None = None) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CaseError(f"{path}: {key} must be a count")
    return value


def _one_of(
    path: Path, table: dict[str, Any], key: str, choices: tuple[str, ...], default: str | None = None
) -> str:
    value = table.get(key, default)
    if value not in choices:
        raise CaseError(f"{path}: {key} must be one of {', '.join(choices)}")
    return str(value)
