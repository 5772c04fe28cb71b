"""Which report a file gets by its suffix, and that each is what its suffix says."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.audit.run import not_judged
from vllm_migrate.cli.audit_output import write_audit_reports
from vllm_migrate.cli.report_output import ReportFormat, format_of
from vllm_migrate.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.audit.result import AuditResult


@pytest.fixture
def stopped() -> AuditResult:
    return not_judged(None, "input", "no model at \x1b[31m\udce9", "give --model\x07 a directory")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", ReportFormat.JSON),
        ("a.HTML", ReportFormat.HTML),
        ("a.htm", ReportFormat.HTML),
        ("a.md", ReportFormat.MARKDOWN),
        ("a.xml", ReportFormat.JUNIT),
        ("a.txt", ReportFormat.TEXT),
    ],
)
def test_the_suffix_says_which(tmp_path: Path, name: str, kind: ReportFormat):
    assert format_of(tmp_path / name) is kind


@pytest.mark.parametrize("name", ["a.pdf", "a", "absent/a.json"])
def test_other_suffixes_and_absent_directories_are_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="--output-file"):
        format_of(tmp_path / name)


def test_every_format_is_written_whatever_the_result_holds(tmp_path: Path, stopped: AuditResult, capsys):
    files = [
        (tmp_path / f"a.{suffix}", kind)
        for suffix, kind in (
            ("json", ReportFormat.JSON),
            ("html", ReportFormat.HTML),
            ("md", ReportFormat.MARKDOWN),
            ("xml", ReportFormat.JUNIT),
            ("txt", ReportFormat.TEXT),
        )
    ]
    write_audit_reports(stopped, ReportFormat.TEXT, files)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["reason"] == "input"
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("## ")
    assert ET.parse(tmp_path / "a.xml").getroot().get("errors") == "1"  # noqa: S314 - our own report
    assert (tmp_path / "a.txt").read_text(encoding="utf-8").startswith("NOT JUDGED (input)")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: no model at \\x1b[31m\\udce9\n  give --model\\x07 a directory\n"


@pytest.mark.parametrize("kind", list(ReportFormat))
def test_a_format_that_is_asked_for_goes_to_stdout(stopped: AuditResult, kind: ReportFormat, capsys):
    write_audit_reports(stopped, kind, [])
    assert (capsys.readouterr().out == "") is (kind is ReportFormat.TEXT)


def test_a_file_that_can_not_be_written_keeps_no_other_from_being_written(
    tmp_path: Path, stopped: AuditResult
):
    (tmp_path / "dir.json").mkdir()
    files = [(tmp_path / "dir.json", ReportFormat.JSON), (tmp_path / "fine.json", ReportFormat.JSON)]
    with pytest.raises(InputError, match="can't be written"):
        write_audit_reports(stopped, ReportFormat.TEXT, files)
    assert (tmp_path / "fine.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"dir.json", "fine.json"}
