"""`check` and `rewrite` as JSON with stable keys, whatever happened."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from vllm_migrate import __version__
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.files.located import Span
from vllm_migrate.json_text import json_text
from vllm_migrate.report.places import place
from vllm_migrate.report.statistics import statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.edits.baseline import Known
    from vllm_migrate.edits.diagnostic import Diagnostic
    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.facts.model import Source
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.rewrite import RewriteResult
    from vllm_migrate.rules.scan import ScanResult

SCHEMA = "vllm-migrate/check/1"


def check_json(result: ScanResult, *, with_statistics: bool = False) -> str:
    """A finished scan. `reason` is "" where every file was judged, else "unjudged"."""
    value = _scan(result)
    if with_statistics:
        value["statistics"] = statistics(result.findings)
    return json_text(value)


def rewrite_json(scanned: ScanResult, result: RewriteResult) -> str:
    """A finished rewrite: as a scan, with what remains as `findings` and what was done as `applied`."""
    value = _scan(scanned)
    value["schema"] = "vllm-migrate/rewrite/1"
    value["findings"] = [finding_json(f, result.facts) for f in result.remaining]
    value["applied"] = [{"code": f.code, "name": f.name, "path": str(f.path)} for f in result.applied]
    value["diagnostics"] += [_diagnostic(d) for d in result.refused]
    value["summary"].update(summary(result.remaining))
    value["summary"].update(applied=len(result.applied), files_changed=len(result.plans))
    value["reason"] = "write-failed" if result.failed else value["reason"]
    return json_text(value)


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "path": str(diagnostic.path),
        "line": diagnostic.line or None,
        "message": diagnostic.message,
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "package": source.package,
        "version": str(source.version),
        "engine": source.engine.value,
        "origin": source.origin,
        "engine_origin": source.engine_origin,
    }


def _scan(result: ScanResult) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tool": _tool(),
        "target": {"package": result.target.package, "version": str(result.target.version)},
        "source": _source(result.source),
        "subprojects": [
            {"path": str(folder), **_source(source)} for folder, source in sorted(result.subprojects.items())
        ],
        "findings": [finding_json(f, result.facts) for f in result.findings],
        "skipped": [{"path": str(path), "reason": reason} for path, reason in result.skipped],
        "diagnostics": [_diagnostic(d) for d in result.diagnostics],
        "baseline": _baseline(result.baseline),
        "summary": {
            **summary(result.findings),
            "files": len(result.files),
            "suppressed": result.suppressed,
            "known": len(result.baseline.hidden) if result.baseline else 0,
            "elsewhere": result.elsewhere,
        },
        "reason": "unjudged" if result.unjudged else "",
    }


def _baseline(known: Known | None) -> dict[str, Any] | None:
    if known is None:
        return None
    stale = [{"path": e.path, "code": e.code, "count": n, "snippet": e.snippet} for e, n in known.stale]
    return {"file": known.file, "stale": stale}


def error_json(reason: str, message: str) -> str:
    """A scan that did not finish; `message` stands among the diagnostics."""
    return json_text(
        {
            "schema": SCHEMA,
            "tool": _tool(),
            "target": None,
            "source": None,
            "subprojects": [],
            "findings": [],
            "skipped": [],
            "diagnostics": [{"code": "", "path": None, "line": None, "message": message}],
            "baseline": None,
            "summary": {**summary(()), "files": 0, "suppressed": 0, "known": 0, "elsewhere": 0},
            "reason": reason,
        }
    )


def finding_json(finding: Finding, facts: Mapping[PurePosixPath, FileFacts]) -> dict[str, Any]:
    """One finding; lines are 1-based, columns 1-based code points, ends exclusive."""
    position = place(finding, facts[finding.path])
    return {
        "code": finding.code,
        "name": finding.name,
        "path": str(finding.path),
        "line": position.line,
        "column": position.column,
        "end_line": position.end_line,
        "end_column": position.end_column,
        "level": str(finding.level),
        "safety": finding.safety.value,
        "message": finding.message,
        "advice": finding.advice,
        "edits": [_edit_json(edit) for edit in finding.edits],
    }


def summary(findings: Sequence[Finding]) -> dict[str, int]:
    """Counts by level and by safety."""
    by_level = {f"{level}s": sum(f.level is level for f in findings) for level in reversed(Level)}
    by_safety = {safety.value: sum(f.safety is safety for f in findings) for safety in Safety}
    return {"findings": len(findings), **by_level, **by_safety}


def _edit_json(edit: Edit) -> dict[str, Any]:
    """An edit by the name of what it does; spans are byte offsets `[start, end)`."""
    values: dict[str, Any] = {"kind": type(edit).__name__}
    for entry in fields(edit):
        value = getattr(edit, entry.name)
        values[entry.name] = [value.start, value.end] if isinstance(value, Span) else value
    return values


def _tool() -> dict[str, str]:
    return {"name": "vllm-migrate", "version": __version__}
