"""How often each rule found something, and what can be done about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from vllm_migrate.edits.model import Safety

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vllm_migrate.edits.model import Finding


def statistics(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """A row per rule, the most frequent first: code, name, count, and the count by safety."""
    counts: Counter[tuple[str, str]] = Counter()
    by_safety: Counter[tuple[str, Safety]] = Counter()
    for finding in findings:
        counts[finding.code, finding.name] += 1
        by_safety[finding.code, finding.safety] += 1
    return [
        {
            "code": code,
            "name": name,
            "count": number,
            **{safety.value: by_safety[code, safety] for safety in Safety},
        }
        for (code, name), number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def statistics_text(findings: Sequence[Finding]) -> Iterator[str]:
    """The same as an aligned table with a heading; nothing where there are no findings."""
    rows = statistics(findings)
    if not rows:
        return
    columns = ("count", "code", *(safety.value for safety in Safety), "name")
    table = [columns, *(tuple(str(row[column]) for column in columns) for row in rows)]
    widths = [max(len(row[n]) for row in table) for n in range(len(columns) - 1)]
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]])
