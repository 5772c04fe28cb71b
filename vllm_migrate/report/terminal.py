"""`check` and `rewrite` as text, as far as every run needs it: the route, what was left out, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Engine
from vllm_migrate.report.left_out import left_out_text
from vllm_migrate.report.numbers import plural
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.edits.diagnostic import Diagnostic
    from vllm_migrate.facts.model import Source, Target
    from vllm_migrate.report.style import Style
    from vllm_migrate.rules.scan import ScanResult

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


def routes(result: ScanResult) -> Iterator[str]:
    """Where the code comes from and goes, a line each for folders that come from elsewhere."""
    yield route(result.source, result.target)
    for folder, source in sorted(result.subprojects.items()):
        yield f"{printable(str(folder))}: {route(source, result.target)}"


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
    looked = f"{plural(len(result.files), 'file')} checked"
    if not result.findings:
        unjudged = sum(diagnostic.unjudged for diagnostic in result.diagnostics)
        if unjudged:
            yield style(f"{looked}, {unjudged} of them could not be judged", "red")
        else:
            verdict = (
                "nothing to migrate"
                if result.files
                else "so nothing was judged; ignored files are passed over"
            )
            if result.baseline or result.elsewhere:
                verdict = "nothing new to migrate"
            yield style(f"{looked}, {verdict}", "green" if result.files else "yellow")
        yield from left_out_text(result)
        return
    from vllm_migrate.report.findings_text import findings_summary  # noqa: PLC0415 - only where there are findings

    yield from findings_summary(result, looked, style)
