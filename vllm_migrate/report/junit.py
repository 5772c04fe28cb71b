"""`check` as JUnit XML: one suite per file, one test case per finding.

A finding below the level that makes the run fail is a case that passed and says something; so the report
fails exactly where the exit code does. A file that could not be judged is an error.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from vllm_migrate.edits.model import Level
from vllm_migrate.report.places import place
from vllm_migrate.report.roots import from_root
from vllm_migrate.report.style import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import PurePosixPath

    from vllm_migrate.edits.diagnostic import Diagnostic
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.rules.scan import ScanResult

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_Case = tuple[str, str]
"""What a case ends as ("failure", "error", "passed"), and its element."""
_Suite = tuple[tuple[int, ...], str]
"""How many cases, failures and errors, and the element."""


def render(result: ScanResult, fail_on: str) -> str:
    """A finished scan; findings at `fail_on` ("error", "warning", "note") or above are failures."""
    threshold = Level[fail_on.upper()]
    path_of = from_root(result)
    cases: dict[str, list[_Case]] = {}
    for diagnostic in result.diagnostics:
        path = path_of(diagnostic.path)
        cases.setdefault(path, []).append(_diagnostic(diagnostic, path))
    for path, group in _by_path(result, path_of):
        cases.setdefault(path, []).extend(_finding(f, result, path, threshold) for f in group)
    if not cases:
        return _document(
            [_suite("vllm-migrate", [("passed", _case("nothing to migrate", "vllm-migrate", ""))])]
        )
    return _document([_suite(path, cases[path]) for path in sorted(cases)])


def render_error(reason: str, message: str) -> str:
    """A scan that did not finish."""
    body = f"<error type={_attribute(reason)} message={_attribute(message)}/>"
    return _document([_suite("vllm-migrate", [("error", _case(reason, "vllm-migrate", body))])])


def _by_path(result: ScanResult, path_of: Callable[[PurePosixPath], str]) -> list[tuple[str, list[Finding]]]:
    return [(path_of(path), list(group)) for path, group in groupby(result.findings, key=lambda f: f.path)]


def _finding(finding: Finding, result: ScanResult, path: str, threshold: Level) -> _Case:
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
        return "passed", _case(name, path, f"<system-out>{escape(f'{finding.level}: {text}')}</system-out>")
    opening = f"<failure type={_attribute(finding.code)} message={_attribute(finding.message)}>"
    return "failure", _case(name, path, f"{opening}{escape(text)}</failure>")


def _diagnostic(diagnostic: Diagnostic, path: str) -> _Case:
    where = f"{path}:{diagnostic.line}" if diagnostic.line else path
    name = f"{diagnostic.code} ({diagnostic.line})"
    if not diagnostic.unjudged:
        text = escape(printable(f"{where}: {diagnostic.message}"))
        return "passed", _case(name, path, f"<system-out>{text}</system-out>")
    opening = f"<error type={_attribute(diagnostic.code)} message={_attribute(diagnostic.message)}>"
    return "error", _case(name, path, f"{opening}{escape(printable(where))}</error>")


def _case(name: str, path: str, body: str) -> str:
    head = f"    <testcase name={_attribute(name)} classname={_attribute(path)}"
    return f"{head}>{body}</testcase>\n" if body else f"{head}/>\n"


def _suite(name: str, cases: list[_Case]) -> _Suite:
    numbers = (len(cases), *(sum(outcome == kind for outcome, _ in cases) for kind in ("failure", "error")))
    head = f"  <testsuite name={_attribute(name)} {_counts(*numbers)}>\n"
    return numbers, head + "".join(text for _, text in cases) + "  </testsuite>\n"


def _document(suites: list[_Suite]) -> str:
    numbers = [sum(column) for column in zip(*(numbers for numbers, _ in suites), strict=True)]
    head = f'{_HEAD}<testsuites name="vllm-migrate" {_counts(*numbers)}>\n'
    return head + "".join(text for _, text in suites) + "</testsuites>\n"


def _counts(tests: int, failures: int, errors: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="{errors}"'


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
