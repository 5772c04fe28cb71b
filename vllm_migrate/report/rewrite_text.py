"""What `rewrite` did, as text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Safety
from vllm_migrate.report.findings_text import findings_text
from vllm_migrate.report.numbers import plural
from vllm_migrate.report.style import printable
from vllm_migrate.report.terminal import diagnostics_text, routes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vllm_migrate.report.style import Style
    from vllm_migrate.rules.rewrite import RewriteResult
    from vllm_migrate.rules.scan import ScanResult


def text(
    scanned: ScanResult,
    result: RewriteResult,
    style: Style,
    width: int,
    *,
    header: bool,
    written: bool = True,
) -> str:
    """Each rewritten file with its number of edits, then what remains."""
    done = "rewrote" if written else "would rewrite"
    lines = [*(style(line, "dim") for line in routes(scanned)), ""] if header else []
    edits = Counter(finding.path for finding in result.applied)
    for plan in result.plans:
        rules = sorted({finding.code for finding in plan.applied})
        name = style(printable(str(plan.path)), "bold")
        lines.append(
            f"{style(done, 'green')} {name}: {plural(edits[plan.path], 'finding')} ({', '.join(rules)})"
        )
    if result.plans:
        lines.append("")
    lines += remaining_text(result, style, width)
    lines += diagnostics_text((*scanned.diagnostics, *result.refused), style)
    return "".join(f"{line}\n" for line in lines)


def remaining_text(result: RewriteResult, style: Style, width: int) -> Iterator[str]:
    """The findings that are left."""
    return findings_text(result.remaining, dict(result.facts), style, width)


def summary(result: RewriteResult, style: Style, *, diff: bool, patch: Path | None = None) -> Iterator[str]:
    """How much was done, and how much is left for whom; `patch` is the file that has the edits."""
    done = "would be rewritten" if diff else "rewritten"
    if result.plans:
        yield style(
            f"{plural(len(result.plans), 'file')} {done}: {plural(len(result.applied), 'finding')} settled",
            "green",
        )
    else:
        yield "no edit to make"
    unsafe = sum(finding.safety is Safety.UNSAFE for finding in result.remaining)
    manual = sum(finding.safety is Safety.MANUAL for finding in result.remaining)
    safe = len(result.remaining) - unsafe - manual
    if safe:
        yield f"  {safe} could not be edited safely"
    if unsafe:
        yield f"  {unsafe} more with --unsafe-fixes, to be read over"
    if manual:
        yield f"  {manual} left to a person"
    if patch is not None:
        yield f"  the edits are in {printable(str(patch))}; `git apply` makes them"
    elif diff and result.plans:
        yield "  nothing was written; run without --diff to apply"


def coloured_diff(patch: bytes, style: Style) -> bytes:
    """The patch as it is, or on a terminal with its lines in colour."""
    if not style.enabled:
        return patch
    lines = []
    for line in patch.splitlines(keepends=True):
        body, end = (line[:-1], b"\n") if line.endswith(b"\n") else (line, b"")
        names = _DIFF_COLOURS.get(line[:1], ())
        if line.startswith((b"+++", b"---")):
            names = ("bold",)
        if names:
            before, _, after = style("\0", *names).partition("\0")
            body = before.encode() + body + after.encode()
        lines.append(body + end)
    return b"".join(lines)


_DIFF_COLOURS = {b"+": ("green",), b"-": ("red",), b"@": ("cyan",)}
