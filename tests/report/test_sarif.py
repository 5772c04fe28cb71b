from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hostile import NAMES, clean_scan, hostile_scan

from vllm_migrate.config import Config
from vllm_migrate.report import sarif
from vllm_migrate.report.line_hash import line_hashes
from vllm_migrate.report.sarif import render, render_error
from vllm_migrate.rules.registry import all_rules
from vllm_migrate.rules.scan import scan


def run_of(text: str) -> dict:
    value = json.loads(text.encode("utf-8"))
    assert value["version"] == "2.1.0"
    assert value["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = value["runs"]
    return run


def places(run: dict) -> list[dict]:
    return [result["locations"][0]["physicalLocation"] for result in run["results"]]


def test_what_github_asks_for(folder: Path) -> None:
    result = hostile_scan(folder)
    run = run_of(render(result, "warning"))
    driver = run["tool"]["driver"]
    assert driver["name"] == "vllm-migrate"
    assert [rule["id"] for rule in driver["rules"]] == [rule.code for rule in all_rules()]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["help"]["markdown"].startswith(f"# {rule['id']}")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert rule["properties"]["tags"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert len(run["results"]) == len(result.findings) + 1  # the silenced one
    for entry in run["results"]:
        assert driver["rules"][entry["ruleIndex"]]["id"] == entry["ruleId"]
        assert entry["level"] in ("error", "warning", "note")
        assert entry["message"]["text"]
        assert set(entry["partialFingerprints"]) == {"primaryLocationLineHash", "vllmMigrate/v1"}
    marks = [entry["partialFingerprints"]["vllmMigrate/v1"] for entry in run["results"]]
    assert len(set(marks)) == len(marks)


def test_names_are_relative_uris_that_decode_to_their_bytes(folder: Path) -> None:
    run = run_of(render(hostile_scan(folder), "warning"))
    found = set()
    for place in places(run):
        artifact = place["artifactLocation"]
        assert artifact["uriBaseId"] == "%SRCROOT%"
        parts = urlsplit(artifact["uri"])
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
        assert not parts.path.startswith("/")
        assert parts.path.isascii()
        found.add(unquote_to_bytes(parts.path))
    assert found == {*NAMES, b"quiet.py", b"run.sh"}
    assert "%SRCROOT%" in run["originalUriBaseIds"]


def test_names_count_from_the_repository_not_from_the_working_directory(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (folder / "a.sh").write_text("vllm serve m --swap-space 4\n")
    for paths in ([folder], [Path("a.sh")]):
        (place,) = places(run_of(render(scan(paths, Config()), "warning")))
        assert place["artifactLocation"]["uri"] == "p/a.sh"


def test_regions_count_code_points_and_ends_are_exclusive(folder: Path) -> None:
    text = 'from vllm import LLM\n\n\ndef f():\n    return LLM("é𝄞", swap_space=16, seed=1)\n'
    (folder / "a.py").write_text(text)
    (place,) = places(run_of(render(scan([folder], Config()), "warning")))
    start = text.splitlines()[4].index("swap_space") + 1
    assert place["region"] == {"startLine": 5, "startColumn": start, "endLine": 5, "endColumn": start + 13}


def test_silenced_and_unjudged(folder: Path) -> None:
    run = run_of(render(hostile_scan(folder), "warning"))
    quiet = [
        r
        for r in run["results"]
        if "quiet.py" in r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    ]
    assert [r["suppressions"] for r in quiet] == [[{"kind": "inSource", "status": "accepted"}]]
    assert sum("suppressions" in r for r in run["results"]) == 1
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert (notification["level"], notification["descriptor"]["id"]) == ("error", "VM002")
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "broken.py"


def test_a_fix_where_the_edit_is_known(folder: Path) -> None:
    source = "set -e\nvllm serve m --swap-space 4 --port 3\n"
    (folder / "a.sh").write_text(source)
    (entry,) = run_of(render(scan([folder], Config()), "warning"))["results"]
    (change,) = entry["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"] == entry["locations"][0]["physicalLocation"]["artifactLocation"]
    lines = source.splitlines(keepends=True)
    for replacement in change["replacements"]:
        region = replacement["deletedRegion"]
        assert region["startLine"] == region["endLine"]
        line = lines[region["startLine"] - 1]
        start, end = region["startColumn"] - 1, region["endColumn"] - 1
        lines[region["startLine"] - 1] = line[:start] + replacement["insertedContent"]["text"] + line[end:]
    assert "".join(lines) == "set -e\nvllm serve m --port 3\n"


def test_a_clean_run_lists_its_rules_and_a_failed_one_has_no_results(folder: Path) -> None:
    run = run_of(render(clean_scan(folder), "warning"))
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"]
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    failed = run_of(render_error("input", "a\x00\ud800"))
    assert "results" not in failed
    assert failed["invocations"][0]["executionSuccessful"] is False


def test_too_many_results_keep_the_worst_and_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 2)
    run = run_of(render(hostile_scan(folder), "warning"))
    assert [entry["level"] for entry in run["results"]] == ["error", "error"]
    assert any(
        "the 2 that matter" in n["message"]["text"]
        for n in run["invocations"][0]["toolExecutionNotifications"]
    )


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        # What GitHub's upload action computes for these texts.
        ("", ["c129715d7a2bc9a3:1"]),
        (
            " a\nb\n  \t\tc\n d",
            ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
        ),
        (
            " hello; \t\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n",
            [
                *("e9496ae3ebfced30:1", "fb7c023a8b9ccb3f:1", "ce8ba1a563dcdaca:1", "e20e36e16fcb0cc8:1"),
                *("b3edc88f2938467e:1", "c8e28b0b4002a3a0:1", "c129715d7a2bc9a3:1"),
            ],
        ),
    ],
)
def test_line_hashes_are_github_s(text: str, hashes: list[str]) -> None:
    assert line_hashes(text.encode()) == hashes


def test_line_hashes_count_lines_alike() -> None:
    found = line_hashes(b"Lorem ipsum dolor sit amet.\n" * 10)
    assert found[:2] == ["a7f2ff13bc495cf2:1", "a7f2ff13bc495cf2:2"]
    assert len(found) == 11
    assert len(line_hashes(b"\xff\xfe\x00\r" + os.urandom(64).replace(b"\r", b"").replace(b"\n", b""))) == 2
