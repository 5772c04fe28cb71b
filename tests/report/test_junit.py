from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from hostile import NAMES, clean_scan, hostile_scan

from vllm_migrate.report.junit import render, render_error

if TYPE_CHECKING:
    from pathlib import Path


def parse(text: str) -> ET.Element:
    return ET.fromstring(text.encode("utf-8"))  # noqa: S314 - our own output


def test_a_suite_per_file_and_a_case_per_finding(folder: Path) -> None:
    result = hostile_scan(folder)
    root = parse(render(result, "warning"))
    assert [child.tag for child in root] == ["testsuite"] * (len(NAMES) + 2)
    names = [suite.get("name") for suite in root]
    assert {"plain.py", "]]>&\"'.py", "a,b:c%d|e.py", "broken.py", "run.sh"} <= set(names)
    assert len(root.findall(".//testcase")) == len(result.findings) + 1
    for element in (root, *root):
        assert int(element.get("tests", "")) == len(element.findall(".//testcase"))
        assert int(element.get("failures", "")) == len(element.findall(".//failure"))
        assert int(element.get("errors", "")) == len(element.findall(".//error"))
    assert len(root.findall(".//error")) == 1


def test_it_fails_where_the_run_fails(folder: Path) -> None:
    result = hostile_scan(folder)
    notes = sum(str(finding.level) == "note" for finding in result.findings)
    assert notes
    assert len(parse(render(result, "warning")).findall(".//system-out")) == notes
    assert len(parse(render(result, "note")).findall(".//failure")) == len(result.findings)


def test_nothing_found_is_one_case_that_passed(folder: Path) -> None:
    root = parse(render(clean_scan(folder), "warning"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "0", "0")


def test_a_failed_run_is_an_error() -> None:
    root = parse(render_error("input", 'a "<b>"\n\x00&'))
    assert root.get("errors") == "1"
    (error,) = root.findall(".//error")
    assert error.get("message", "").startswith('a "<b>"')
