"""`check` as GitHub workflow commands: an annotation per finding, and a table for the step's summary.

GitHub shows the first ten annotations of each level in a step, so the worst come first; the table has the
rest. Text of the user's can end neither a command nor a cell.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level
from vllm_migrate.report.places import place
from vllm_migrate.report.roots import from_root
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.edits.model import Position
    from vllm_migrate.rules.scan import ScanResult

MOST_ROWS = 500
"""Rows of the table; a step's summary is dropped as a whole where it exceeds 1 MiB."""

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_LONGEST_CELL = 400


def render(result: ScanResult, fail_on: str) -> str:
    """A finished scan; `fail_on` does not change what is annotated."""
    del fail_on
    path_of = from_root(result)
    lines = [
        _command("error" if d.unjudged else "warning", path_of(d.path), d.code, d.message, line=d.line or 1)
        for d in result.diagnostics
    ]
    for finding in sorted(result.findings, key=lambda finding: -finding.level):
        position = place(finding, result.facts[finding.path])
        text = "\n".join([finding.message, *finding.advice.splitlines()])
        title = f"{finding.code} {finding.name}"
        level = _COMMANDS[finding.level]
        lines.append(_command(level, path_of(finding.path), title, text, position=position))
    return "".join(f"{line}\n" for line in lines)


def render_error(reason: str, message: str) -> str:
    """A scan that did not finish."""
    return f"::error title={_property(f'vllm-migrate: {reason}')}::{_data(message)}\n"


def summary_file() -> Path | None:
    """Where GitHub takes the step's summary from, None elsewhere."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(name) if name else None


def summary_table(result: ScanResult) -> str:
    """All findings as a Markdown table, worst first."""
    path_of = from_root(result)
    rows = [
        (str(Level.ERROR), d.code, f"{path_of(d.path)}:{d.line or 1}", d.message) for d in result.diagnostics
    ]
    for finding in sorted(result.findings, key=lambda finding: -finding.level):
        line = place(finding, result.facts[finding.path]).line
        where = f"{path_of(finding.path)}:{line}"
        rows.append((str(finding.level), f"{finding.code} {finding.name}", where, finding.message))
    if not rows:
        return f"### vllm-migrate\n\n{len(result.files)} files checked, nothing to migrate.\n\n"
    counts = f"{len(result.findings)} findings, {len(result.files)} files checked"
    head = f"### vllm-migrate\n\n{counts}; to vLLM {result.target.version}\n\n"
    more = f"\n{len(rows) - MOST_ROWS} more.\n" if len(rows) > MOST_ROWS else ""
    table = "| level | rule | place | what |\n|---|---|---|---|\n"
    return head + table + "".join(map(_row, rows[:MOST_ROWS])) + more + "\n"


def _command(
    level: str, path: str, title: str, text: str, *, line: int = 0, position: Position | None = None
) -> str:
    """Columns only where the finding ends on the line it starts on: GitHub drops the annotation otherwise."""
    properties: dict[str, object] = {"file": path, "line": line}
    if position is not None:
        properties |= {"line": position.line, "endLine": position.end_line}
        if position.line == position.end_line:
            properties |= {"col": position.column, "endColumn": position.end_column}
    properties["title"] = title
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{level} {written}::{_data(text)}"


def _data(text: str) -> str:
    """A command's message: only `%` and line breaks mean something there."""
    lines = [printable(line) for line in text.splitlines()]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _cell(text: str) -> str:
    """Plain text in a cell of a Markdown table: neither markup nor a mention nor the end of the cell."""
    flat = printable(" ".join(text.split()))
    cut = flat if len(flat) <= _LONGEST_CELL else f"{flat[: _LONGEST_CELL - 1]}…"
    return re.sub(r"([\\`*_\[\]|~!#@])", _entity, html.escape(cut))


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[1])};"
