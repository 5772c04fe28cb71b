"""`check` and `rewrite` as text: grouped by file, every finding with its line, a caret and what to do."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Engine
from vllm_migrate.report.places import excerpt, place, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Source, Target
    from vllm_migrate.files.located import FileFacts
    from vllm_migrate.report.style import Style
    from vllm_migrate.rules.reading import Diagnostic
    from vllm_migrate.rules.scan import ScanResult

_LEVEL_COLOUR = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}
_SAFETY_COLOUR = {Safety.SAFE: "green", Safety.UNSAFE: "yellow", Safety.MANUAL: "blue"}
_SHOWN_SKIPPED = 10


def route(source: Source, target: Target) -> str:
    """`vLLM 0.8.5, from requirements.txt:3 (V0: VLLM_USE_V1=0) -> 0.32.0 (V1)`."""
    engine = {Engine.V0: "V0", Engine.V1: "V1", Engine.UNKNOWN: "engine unknown, treated as V0"}[
        source.engine
    ]
    if source.engine is not Engine.UNKNOWN and source.engine_origin not in ("", "--from"):
        engine += f": {source.engine_origin}"
    origin = {"assumed": "assumed", "--from": "as given"}.get(source.origin, f"from {source.origin}")
    return f"vLLM {source.version}, {origin} ({engine}) -> {target.version} (V1)"


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


def diagnostics_text(diagnostics: Iterable[Diagnostic], style: Style) -> Iterator[str]:
    """What could not be judged or done, a line each."""
    for diagnostic in diagnostics:
        where = printable(str(diagnostic.path)) + (f":{diagnostic.line}" if diagnostic.line else "")
        code = style(diagnostic.code, "red", "bold")
        yield f"{style(where, 'bold')}  {code}  {printable(diagnostic.message)}"


def skipped_text(
    skipped: Sequence[tuple[PurePosixPath, str]], style: Style, *, everything: bool
) -> Iterator[str]:
    """What was left out and why; the first ten unless `everything`."""
    shown = skipped if everything else skipped[:_SHOWN_SKIPPED]
    for path, reason in shown:
        yield style(f"skipped {printable(str(path))}: {reason}", "dim")
    if len(shown) < len(skipped):
        yield style(f"skipped {len(skipped) - len(shown)} more (-v lists them)", "dim")


def summary_text(result: ScanResult, style: Style) -> Iterator[str]:
    """How much was found, and what can be done about it by whom."""
    findings = result.findings
    looked = f"{count(len(result.files), 'file')} checked"
    if not findings:
        unjudged = sum(diagnostic.unjudged for diagnostic in result.diagnostics)
        if unjudged:
            yield style(f"{looked}, {unjudged} of them could not be judged", "red")
        else:
            verdict = (
                "nothing to migrate"
                if result.files
                else "so nothing was judged; ignored files are passed over"
            )
            yield style(f"{looked}, {verdict}", "green" if result.files else "yellow")
        return
    files = len({finding.path for finding in findings})
    yield f"{style(_by_level(findings), 'bold')} in {count(files, 'file')}; {looked}"
    by_safety = {safety: sum(finding.safety is safety for finding in findings) for safety in Safety}
    if by_safety[Safety.SAFE]:
        yield f"  {by_safety[Safety.SAFE]} can be fixed by `vllm-migrate rewrite`"
    if by_safety[Safety.UNSAFE]:
        yield f"  {by_safety[Safety.UNSAFE]} by `vllm-migrate rewrite --unsafe-fixes`, to be read over"
    if by_safety[Safety.MANUAL]:
        yield f"  {by_safety[Safety.MANUAL]} by a person"
    if result.suppressed:
        yield f"  {result.suppressed} more silenced by comments"


def _by_level(findings: Sequence[Finding]) -> str:
    counts = {level: sum(finding.level is level for finding in findings) for level in reversed(Level)}
    return ", ".join(count(number, str(level)) for level, number in counts.items() if number)


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
