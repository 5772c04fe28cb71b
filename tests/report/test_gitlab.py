from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hostile import NAMES, clean_scan, hostile_scan

from vllm_migrate.config import Config
from vllm_migrate.report.gitlab import render, render_error
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path


def test_the_shape_gitlab_asks_for(folder: Path) -> None:
    result = hostile_scan(folder)
    issues = json.loads(render(result, "warning").encode("utf-8"))
    assert len(issues) == len(result.findings) + 1
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith(("/", "./"))
        assert "\n" not in issue["description"] + issue["location"]["path"]
    assert len({issue["location"]["path"] for issue in issues}) == len(NAMES) + 2


def test_fingerprints_are_all_different_and_outlive_their_lines(folder: Path) -> None:
    call = "    LLM('m', swap_space=1)\n"
    (folder / "a.py").write_text("from vllm import LLM\n\n\ndef f():\n" + 3 * call)
    before = [issue["fingerprint"] for issue in json.loads(render(scan([folder], Config()), "note"))]
    assert len(set(before)) == len(before) == 3
    moved = "import os\nfrom vllm import LLM\n\n\ndef f():\n" + 3 * call.replace(
        "swap_space=1", "swap_space = 1,"
    )
    (folder / "a.py").write_text(moved)
    after = [issue["fingerprint"] for issue in json.loads(render(scan([folder], Config()), "note"))]
    assert after == before


def test_nothing_found_is_an_empty_list_and_a_failed_run_is_not(folder: Path) -> None:
    assert json.loads(render(clean_scan(folder), "warning")) == []
    (issue,) = json.loads(render_error("input", "no such file"))
    assert issue["severity"] == "blocker"
