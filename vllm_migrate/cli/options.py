"""Options that several commands share, and how they meet the configuration file."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from vllm_migrate.config import Config, load_config
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Format(str, Enum):
    """What results are written as."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    GITLAB = "gitlab"
    JUNIT = "junit"


class FailOn(str, Enum):
    """The lowest level that makes a run fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Recipe(str, Enum):
    """What a migration is to keep."""

    PARITY = "parity"
    FAST = "fast"


# typer reads the annotations at run time and, on Python 3.10, needs Optional spelled out.
Paths = Annotated[
    list[Path] | None, typer.Argument(help="Files and directories; the current one by default, - for stdin.")
]
StdinFilename = Annotated[
    Path | None, typer.Option("--stdin-filename", metavar="FILE", help="What the file in stdin is called.")
]
From = Annotated[
    str | None, typer.Option("--from", metavar="VERSION", help="vLLM version the code is written for.")
]
To = Annotated[Optional[str], typer.Option("--to", metavar="VERSION", help="vLLM version to migrate to.")]  # noqa: UP045
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="CODES", help="Only these rules; prefixes, commas between."),
]
Ignore = Annotated[Optional[list[str]], typer.Option("--ignore", metavar="CODES", help="Not these rules.")]  # noqa: UP045
PerFileIgnores = Annotated[
    list[str] | None,
    typer.Option(
        "--per-file-ignores", metavar="PATTERN:CODES", help="Not these rules in files that the pattern names."
    ),
]
OutputFormat = Annotated[Format, typer.Option("--output-format", help="What to write results as.")]
OutputFile = Annotated[Path | None, typer.Option("--output-file", help="Write results there, not to stdout.")]
FailLevel = Annotated[
    FailOn | None, typer.Option("--fail-on", help="Lowest level that exits 1 (default: warning).")
]
RecipeName = Annotated[
    Recipe | None, typer.Option("--recipe", help="Keep the learning signal (parity) or V1's speed (fast).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No summary, no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="List everything that was skipped.")]


def named_paths(paths: Sequence[Path] | None, filename: Path | None) -> tuple[list[Path], bytes | None]:
    """The paths of a run, and the content of the one file where `-` says that it comes from standard input.

    Raises:
        UsageError: where `-` stands beside other paths, or a file name is given without it.
    """
    named = list(paths or [Path()])
    if Path("-") not in named:
        if filename is not None:
            raise UsageError("--stdin-filename goes with the path -")
        return named, None
    if len(named) > 1:
        raise UsageError("- can't stand beside other paths")
    return [filename or Path("stdin.py")], sys.stdin.buffer.read()


def settings(
    paths: Sequence[Path],
    *,
    source: str | None,
    target: str | None,
    select: Iterable[str] | None,
    ignore: Iterable[str] | None,
    per_file_ignores: Iterable[str] | None = None,
    fail_on: FailOn | None = None,
    recipe: Recipe | None,
    unsafe: bool | None = None,
) -> Config:
    """The configuration of a run: command line before file before default.

    The file is the one nearest to the first path.

    Raises:
        ConfigError: where the file is wrong.
        UsageError: where a code to select or ignore is no rule's, or a pattern has none.
    """
    config = load_config(paths[0])
    given = {
        "source": source,
        "target": target,
        "select": _codes(select),
        "ignore": _codes(ignore),
        "per_file_ignores": _per_file(per_file_ignores),
        "fail_on": fail_on.value if fail_on else None,
        "recipe": recipe.value if recipe else None,
        "unsafe_fixes": unsafe or None,
    }
    config = replace(config, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # values are of their fields' types
    per_file = (code for _, codes in config.per_file_ignores for code in codes)
    _check_codes((*config.select, *config.ignore, *per_file))
    return config


def _codes(given: Iterable[str] | None) -> tuple[str, ...] | None:
    return tuple(code.upper() for code in names_in(given)) or None


def names_in(given: Iterable[str] | None) -> tuple[str, ...]:
    """Names given one by one or with commas between."""
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())


def _per_file(given: Iterable[str] | None) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    pairs = []
    for text in given or ():
        pattern, _, codes = text.rpartition(":")
        listed = _codes([codes])
        if not pattern or not listed:
            raise UsageError(
                f"--per-file-ignores {text!r} is not PATTERN:CODES", hint="such as 'tests/:VM2,VM301'"
            )
        pairs.append((pattern, listed))
    return tuple(pairs) or None


def _check_codes(codes: Sequence[str]) -> None:
    if not codes:
        return
    from vllm_migrate.rules.registry import all_rules  # noqa: PLC0415 - most runs select nothing

    known = [rule.code for rule in all_rules()]
    for code in codes:
        if not any(name.startswith(code) for name in known):
            raise UsageError(
                f"no rule's code starts with {code!r}", hint="`vllm-migrate rule` lists them all"
            )
