"""What a text report leaves out and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.rules.scan import ScanResult

_SHOWN_STALE = 10


def left_out_text(result: ScanResult) -> Iterator[str]:
    """How many findings are not shown, and why."""
    if result.suppressed:
        yield f"  {result.suppressed} more silenced by comments"
    if result.elsewhere:
        yield f"  {result.elsewhere} more on lines that have not changed"
    if result.baseline is None:
        return
    file = printable(result.baseline.file)
    if result.baseline.hidden:
        yield f"  {len(result.baseline.hidden)} more known, in {file}"
    if result.baseline.stale:
        stale = result.baseline.stale
        entries = "1 entry" if len(stale) == 1 else f"{len(stale)} entries"
        yield f"  {entries} of {file} met nothing; `vllm-migrate baseline` takes them out:"
        for entry, number in stale[:_SHOWN_STALE]:
            times = f" ({number} times)" if number > 1 else ""
            yield f"    {printable(entry.path)}  {entry.code}  {printable(entry.snippet)}{times}"
        if len(stale) > _SHOWN_STALE:
            yield f"    and {len(stale) - _SHOWN_STALE} more"
