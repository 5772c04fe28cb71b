"""`check` as SARIF 2.1.0 (OASIS), as GitHub's code scanning and editors read it.

Every rule is listed whether it fired or not, so that an alert that is gone closes. Paths are relative to
`%SRCROOT%`. What a comment or the baseline silences is a result with a suppression. A run that failed has no
`results` at all: an empty list would close every alert.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vllm_migrate import __version__
from vllm_migrate.edits.fingerprint import fingerprints
from vllm_migrate.edits.model import Level, ReplaceText, Safety
from vllm_migrate.edits.positions import position_of
from vllm_migrate.json_text import json_text
from vllm_migrate.report.line_hash import line_hashes
from vllm_migrate.report.places import place
from vllm_migrate.report.roots import from_root
from vllm_migrate.report.style import printable
from vllm_migrate.rules.document import document
from vllm_migrate.rules.registry import all_rules

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.edits.diagnostic import Diagnostic
    from vllm_migrate.edits.fingerprint import Fingerprint
    from vllm_migrate.edits.model import Finding, Position
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span
    from vllm_migrate.rules.base import Rule
    from vllm_migrate.rules.scan import ScanResult

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
"""GitHub refuses a run with more results (its documentation of SARIF support)."""

_ROOT = "%SRCROOT%"
_SEVERITY = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "recommendation"}


def render(result: ScanResult, fail_on: str) -> str:
    """A finished scan. `fail_on` changes nothing here: SARIF has levels, not verdicts."""
    del fail_on
    path_of = from_root(result)
    notifications = [_notification(d, path_of(d.path)) for d in result.diagnostics]
    silenced = {id(finding): _in_source() for finding in result.silenced}
    if result.baseline is not None:
        silenced.update({id(finding): _accepted(result.baseline.file) for finding in result.baseline.hidden})
    findings = result.everything
    marks = dict(zip(map(id, findings), fingerprints(findings, result.facts, path_of), strict=True))
    if len(findings) > MOST_RESULTS:
        text = f"{len(findings)} results; the {MOST_RESULTS} that matter most are written"
        notifications.append({"level": "warning", "message": {"text": text}})
        worst = sorted(findings, key=lambda finding: (id(finding) in silenced, -finding.level))
        findings = tuple(worst[:MOST_RESULTS])
    rules = all_rules()
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    hashes: dict[PurePosixPath, list[str]] = {}
    results = []
    for finding in findings:
        facts = result.facts[finding.path]
        if finding.path not in hashes:
            hashes[finding.path] = line_hashes(facts.source)
        entry = _result(finding, facts, marks[id(finding)], hashes[finding.path])
        entry["ruleIndex"] = numbers[finding.code]
        if id(finding) in silenced:
            entry["suppressions"] = [silenced[id(finding)]]
        results.append(entry)
    run = _run([_rule(rule) for rule in rules], notifications, judged=not result.unjudged)
    return json_text({**_head(), "runs": [{**run, "results": results}]})


def render_error(reason: str, message: str) -> str:
    """A scan that did not finish."""
    notification = {"level": "error", "descriptor": {"id": reason}, "message": {"text": printable(message)}}
    return json_text({**_head(), "runs": [_run([], [notification], judged=False)]})


def _head() -> dict[str, Any]:
    return {"$schema": SCHEMA, "version": "2.1.0"}


def _run(rules: list[dict[str, Any]], notifications: list[dict[str, Any]], *, judged: bool) -> dict[str, Any]:
    return {
        "tool": {
            "driver": {
                "name": "vllm-migrate",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": rules,
            }
        },
        "invocations": [{"executionSuccessful": judged, "toolExecutionNotifications": notifications}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the root of the source tree"}}},
        "columnKind": "unicodeCodePoints",
    }


def _rule(rule: Rule) -> dict[str, Any]:
    page = document(rule)
    about = inspect.cleandoc(rule.__doc__ or "").partition("## What it does")[2].partition("\n## ")[0]
    first = about.strip().partition("\n\n")[0]  # GitHub takes 1,024 characters; the page has the rest
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": " ".join(first.split()) or rule.summary},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": str(rule.level)},
        "properties": {
            "tags": [type(rule).__module__.split(".")[2].replace("_", "-")],
            "precision": "high",
            "problem.severity": _SEVERITY[rule.level],
        },
    }


def _result(finding: Finding, facts: FileFacts, mark: Fingerprint, hashes: list[str]) -> dict[str, Any]:
    position = place(finding, facts)
    where = _artifact(mark.path)
    advice = "".join(f"\n{printable(line)}" for line in finding.advice.splitlines())
    entry: dict[str, Any] = {
        "ruleId": finding.code,
        "level": str(finding.level),
        "message": {"text": printable(finding.message) + advice},
        "locations": [{"physicalLocation": {"artifactLocation": where, "region": _region(position)}}],
        "partialFingerprints": {
            "primaryLocationLineHash": hashes[min(position.line, len(hashes)) - 1],
            "vllmMigrate/v1": mark.digest,
        },
        "properties": {"safety": finding.safety.value},
    }
    if finding.precondition:
        entry["properties"]["precondition"] = finding.precondition
    if finding.edits and all(isinstance(edit, ReplaceText) for edit in finding.edits):
        reader = "" if finding.safety is Safety.SAFE else "; needs a reader"
        entry["fixes"] = [
            {
                "description": {"text": f"{finding.name}{reader}"},
                "artifactChanges": [
                    {"artifactLocation": where, "replacements": _replacements(finding, facts)}
                ],
            }
        ]
    return entry


def _replacements(finding: Finding, facts: FileFacts) -> list[dict[str, Any]]:
    return [
        {"deletedRegion": _span_region(edit.span, facts), "insertedContent": {"text": edit.text}}
        for edit in finding.edits
        if isinstance(edit, ReplaceText)
    ]


def _span_region(span: Span, facts: FileFacts) -> dict[str, int]:
    return _region(position_of(facts.source, span, facts.encoding))


def _region(position: Position) -> dict[str, int]:
    return {
        "startLine": position.line,
        "startColumn": position.column,
        "endLine": position.end_line,
        "endColumn": position.end_column,
    }


def _artifact(path: str) -> dict[str, str]:
    """Bytes of the name that are no plain letters are percent-encoded, whatever encoding they are in."""
    uri = quote(os.fsencode(path))
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": _ROOT}


def _notification(diagnostic: Diagnostic, path: str) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": _artifact(path)}
    if diagnostic.line:
        location["region"] = {"startLine": diagnostic.line}
    return {
        "level": "error" if diagnostic.unjudged else "warning",
        "descriptor": {"id": diagnostic.code},
        "message": {"text": printable(diagnostic.message)},
        "locations": [{"physicalLocation": location}],
    }


def _in_source() -> dict[str, str]:
    return {"kind": "inSource", "status": "accepted"}


def _accepted(file: str) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": f"in {printable(file)}"}
