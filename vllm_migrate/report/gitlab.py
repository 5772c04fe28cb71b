"""`check` as a GitLab code quality report: a list of issues, each with a fingerprint of its own.

GitLab drops all but one issue of a fingerprint and tells new ones from old by it, so it has no line number.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from vllm_migrate.edits.fingerprint import fingerprints
from vllm_migrate.edits.model import Level
from vllm_migrate.json_text import json_text
from vllm_migrate.report.places import place
from vllm_migrate.report.roots import from_root
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from vllm_migrate.rules.scan import ScanResult

_SEVERITY = {Level.ERROR: "critical", Level.WARNING: "major", Level.NOTE: "info"}


def render(result: ScanResult, fail_on: str) -> str:
    """A finished scan; a severity says how bad it is, `fail_on` nothing."""
    del fail_on
    path_of = from_root(result)
    seen: Counter[tuple[str, str, str]] = Counter()
    issues = []
    for d in result.diagnostics:
        key = (d.code, path_of(d.path), d.message)
        severity = "blocker" if d.unjudged else "minor"
        issues.append(
            _issue(d.code, d.message, severity, key[1], d.line or 1, "\0".join((*key, str(seen[key]))))
        )
        seen[key] += 1
    findings = result.everything
    marks = dict(zip(map(id, findings), fingerprints(findings, result.facts, path_of), strict=True))
    for finding in result.findings:
        mark = marks[id(finding)]
        position = place(finding, result.facts[finding.path])
        issue = _issue(
            f"{finding.code} {finding.name}",
            finding.message,
            _SEVERITY[finding.level],
            mark.path,
            position.line,
            mark.digest,
        )
        issue["location"]["lines"]["end"] = position.end_line
        issues.append(issue)
    return json_text(issues)


def render_error(reason: str, message: str) -> str:
    """A scan that did not finish: an issue, since an empty list would say that all is solved."""
    return json_text([_issue(reason, message, "blocker", ".", 1, f"{reason}\0{message}")])


def _issue(  # noqa: PLR0917 - the fields of an issue in their order
    name: str, message: str, severity: str, path: str, line: int, identity: str
) -> dict[str, Any]:
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return {
        "description": printable(message),
        "check_name": name,
        "fingerprint": digest,
        "severity": severity,
        "location": {"path": printable(path), "lines": {"begin": line}},
    }
