"""`check` as JUnit XML: one suite per file, one test case per finding.

A finding below the level that makes the run fail is a case that passed and says something; so the report
fails exactly where the exit code does. A file that could not be judged is an error.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from vllm_migrate.edits.model import Level
from vllm_migrate.report.junit_xml import attribute, case, document, suite
from vllm_migrate.report.places import place
from vllm_migrate.report.roots import from_root
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import PurePosixPath

    from vllm_migrate.edits.diagnostic import Diagnostic
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.report.junit_xml import Case
    from vllm_migrate.rules.scan import ScanResult


def render(result: ScanResult, fail_on: str) -> str:
    """A finished scan; findings at `fail_on` ("error", "warning", "note") or above are failures."""
    threshold = Level[fail_on.upper()]
    path_of = from_root(result)
    cases: dict[str, list[Case]] = {}
    for diagnostic in result.diagnostics:
        path = path_of(diagnostic.path)
        cases.setdefault(path, []).append(_diagnostic(diagnostic, path))
    for path, group in _by_path(result, path_of):
        cases.setdefault(path, []).extend(_finding(f, result, path, threshold) for f in group)
    if not cases:
        return document([suite("vllm-migrate", [("passed", case("nothing to migrate", "vllm-migrate", ""))])])
    return document([suite(path, cases[path]) for path in sorted(cases)])


def render_error(reason: str, message: str) -> str:
    """A scan that did not finish."""
    body = f"<error type={attribute(reason)} message={attribute(message)}/>"
    return document([suite("vllm-migrate", [("error", case(reason, "vllm-migrate", body))])])


def _by_path(result: ScanResult, path_of: Callable[[PurePosixPath], str]) -> list[tuple[str, list[Finding]]]:
    return [(path_of(path), list(group)) for path, group in groupby(result.findings, key=lambda f: f.path)]


def _finding(finding: Finding, result: ScanResult, path: str, threshold: Level) -> Case:
    position = place(finding, result.facts[finding.path])
    name = f"{finding.code} {finding.name} ({position.line}:{position.column})"
    text = "\n".join(
        printable(line)
        for line in (
            f"{path}:{position.line}:{position.column}",
            finding.message,
            *finding.advice.splitlines(),
        )
    )
    if finding.level < threshold:
        return "passed", case(name, path, f"<system-out>{escape(f'{finding.level}: {text}')}</system-out>")
    opening = f"<failure type={attribute(finding.code)} message={attribute(finding.message)}>"
    return "failure", case(name, path, f"{opening}{escape(text)}</failure>")


def _diagnostic(diagnostic: Diagnostic, path: str) -> Case:
    where = f"{path}:{diagnostic.line}" if diagnostic.line else path
    name = f"{diagnostic.code} ({diagnostic.line})"
    if not diagnostic.unjudged:
        text = escape(printable(f"{where}: {diagnostic.message}"))
        return "passed", case(name, path, f"<system-out>{text}</system-out>")
    opening = f"<error type={attribute(diagnostic.code)} message={attribute(diagnostic.message)}>"
    return "error", case(name, path, f"{opening}{escape(printable(where))}</error>")
