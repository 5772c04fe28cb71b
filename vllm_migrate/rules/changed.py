"""Only what a branch brings in: the findings on lines that it changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.edits.git import changed_lines
from vllm_migrate.edits.positions import position_of

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.rules.scan import ScanResult


def on_changed_lines(result: ScanResult, base: str) -> ScanResult:
    """The scan without the findings on lines as they were where the branch left `base`.

    A file that could not be judged counts only where the branch changed it.

    Raises:
        UsageError: where `base` names no commit, or no file lies in a git work tree.
        InputError: where git can't tell.
    """
    places = {file.relative: file.path for file in result.files}
    lines = changed_lines(places.values(), base)

    def is_changed(finding: Finding) -> bool:
        changed = lines.get(places[finding.path])
        if changed is None:
            return False
        facts = result.facts[finding.path]
        position = position_of(facts.source, finding.span, facts.encoding)
        last = position.end_line - (position.end_column == 1 and position.end_line > position.line)
        return any(line in changed for line in range(position.line, last + 1))

    kept = tuple(finding for finding in result.findings if is_changed(finding))
    return replace(
        result,
        findings=kept,
        diagnostics=tuple(d for d in result.diagnostics if places[d.path] in lines),
        elsewhere=len(result.findings) - len(kept),
    )
