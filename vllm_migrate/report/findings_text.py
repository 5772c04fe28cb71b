"""Findings as text: grouped by file, every finding with its line, a caret and what to do."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.report.left_out import left_out_text
from vllm_migrate.report.numbers import plural
from vllm_migrate.report.places import excerpt, place
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.report.style import Style
    from vllm_migrate.rules.scan import ScanResult

_LEVEL_COLOUR = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}
_SAFETY_COLOUR = {Safety.SAFE: "green", Safety.UNSAFE: "yellow", Safety.MANUAL: "blue"}


def findings_text(
    findings: Sequence[Finding], facts_of: dict[PurePosixPath, FileFacts], style: Style, width: int
) -> Iterator[str]:
    """The findings, one block each, blank lines between."""
    for _, group in groupby(findings, key=lambda finding: finding.path):
        for finding in group:
            yield from _finding(finding, facts_of[finding.path], style, width)
            yield ""


def _finding(finding: Finding, facts: FileFacts, style: Style, width: int) -> Iterator[str]:
    position = place(finding, facts)
    where = f"{printable(str(finding.path))}:{position.line}:{position.column}"
    colour = _LEVEL_COLOUR[finding.level]
    safety = f"[{finding.safety.value}]"
    plain = f"{where}  {finding.code} {finding.name}  {safety}"
    head = (
        f"{style(where, 'bold')}  {style(finding.code, colour, 'bold')} {finding.name}  "
        f"{style(safety, _SAFETY_COLOUR[finding.safety])}"
    )
    message = printable(finding.message)
    if len(plain) + 2 + len(message) <= width:
        yield f"{head}  {message}"
    else:
        yield head
        yield from _wrapped(message, width, "  ")
    line, caret = excerpt(facts, position)
    number = str(position.line)
    yield style(f"  {number} | ", "dim") + line
    yield style(f"  {' ' * len(number)} | ", "dim") + style(caret, colour)
    for text in finding.advice.splitlines():
        yield from _advice(text, width)


def _advice(text: str, width: int) -> Iterator[str]:
    """Advice is prose or code; indented lines and those that fit are left as they are."""
    text = printable(text)
    if len(text) + 4 <= width or text.startswith((" ", "\t")):
        yield f"    {text}"
    else:
        yield from _wrapped(text, width, "    ")


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def findings_summary(result: ScanResult, looked: str, style: Style) -> Iterator[str]:
    """How many findings there are, and what can be done about them by whom."""
    findings = result.findings
    files = len({finding.path for finding in findings})
    yield f"{style(_by_level(findings), 'bold')} in {plural(files, 'file')}; {looked}"
    by_safety = {safety: sum(finding.safety is safety for finding in findings) for safety in Safety}
    if by_safety[Safety.SAFE]:
        yield f"  {by_safety[Safety.SAFE]} can be fixed by `vllm-migrate rewrite`"
    if by_safety[Safety.UNSAFE]:
        yield f"  {by_safety[Safety.UNSAFE]} by `vllm-migrate rewrite --unsafe-fixes`, to be read over"
    if by_safety[Safety.MANUAL]:
        yield f"  {by_safety[Safety.MANUAL]} by a person"
    yield from left_out_text(result)


def _by_level(findings: Sequence[Finding]) -> str:
    counts = {level: sum(finding.level is level for finding in findings) for level in reversed(Level)}
    return ", ".join(plural(number, str(level)) for level, number in counts.items() if number)
