"""`record` and `compare` as commands: error lines, exit codes, reports. No engine starts here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "audit"))

from recorded import candidate, reference

from vllm_migrate.trace.parquet import write_trace

MODEL = ("--model", "model", "-o", "out.parquet")


@pytest.fixture
def run(tmp_path, start):
    """A command in a directory with small inputs and two traces."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    (tmp_path / "p.txt").write_text("a\n")
    theirs = reference()
    write_trace(theirs, tmp_path / "a.parquet")
    write_trace(candidate(theirs, shift=-0.3), tmp_path / "b.parquet")
    return start


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (MODEL, "--prompts is missing"),
        ((*MODEL, "--prompts", "p.txt"), "v0 is not installed"),
        ((*MODEL, "--prompts", "absent.parquet"), "can't read absent.parquet"),
        ((*MODEL, "--prompts", "p.txt", "--engine", "v7"), "names no engine"),
        ((*MODEL, "--prompts", "p.txt", "--follow", "a.parquet"), "exclude each other"),
        ((*MODEL, "--follow", "a.parquet"), "v1 is not installed"),
        ((*MODEL, "--follow", "absent.parquet"), "no trace at absent.parquet"),
        (("--model", "absent", "-o", "out.parquet", "--prompts", "p.txt"), "no model at absent"),
        (("--model", "model", "-o", "no/out.parquet", "--prompts", "p.txt"), "no directory to write"),
        (("--model", "adapter", "-o", "out.parquet", "--prompts", "p.txt"), "is a LoRA adapter"),
    ],
)
def test_what_keeps_it_from_recording_is_one_line(run, tmp_path, arguments, says):
    done = run("record", *arguments)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert says in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.parquet").exists()


def test_a_comparison_fails_with_its_reports(run, tmp_path):
    done = run("compare", "a.parquet", "b.parquet", "--output-file", "r.json", "--output-file", "r.html")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL")
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "FAIL"
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")


def test_a_shared_report_tells_nothing_of_what_was_said(run, tmp_path):
    for more, hidden in (((), False), (("--redact",), True)):
        run("compare", "a.parquet", "b.parquet", *more, "--output-file", "r.json", "--output-file", "r.html")
        document = json.loads((tmp_path / "r.json").read_text())
        shown = [worst["token"] for arm in document["arms"] for worst in arm["worst"]]
        assert shown
        assert all(text.startswith("(redacted)") is hidden for text in shown)
        assert "secret" not in (tmp_path / "r.html").read_text() + (tmp_path / "r.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason", "says"),
    [
        (("a.parquet", "absent.parquet"), "input", "no trace at absent.parquet"),
        (("p.txt", "b.parquet"), "input", "not a readable Parquet file"),
        (("a.parquet", "a.parquet"), "usage", "holds tokens of its own"),
        (("b.parquet", "a.parquet"), "usage", "give the reference first"),
    ],
)
def test_what_can_not_be_compared_is_one_line_and_the_report_is_written(
    run, tmp_path, arguments, reason, says
):
    done = run("compare", *arguments, "--output-file", "r.json")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads((tmp_path / "r.json").read_text())
    assert (document["verdict"], document["reason"]) == (None, reason)


def test_the_layout_is_documented(run, tmp_path):
    import pyarrow.parquet as pq  # noqa: PLC0415 - this test alone looks into the file

    assert run("compare", "--help").returncode == 0
    page = (Path(__file__).resolve().parents[2] / "docs" / "traces.md").read_text()
    for name in pq.read_schema(tmp_path / "a.parquet").names:
        assert f"`{name}`" in page
