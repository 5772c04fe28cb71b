"""The command: options, error lines, exit codes, and reports whatever happened. No engine starts here."""

from __future__ import annotations

import functools
import json

import pytest


@pytest.fixture
def run(tmp_path, start):
    """`audit` in a directory with small inputs."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "a"}\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "reward.py").write_text("def raises(**_): raise ValueError\nvalue = 1\n")
    return functools.partial(start, "audit")


MODEL = ("--model", "model")
PROMPTS = (*MODEL, "--prompts", "prompts.jsonl")


@pytest.mark.parametrize(
    ("arguments", "reason", "says"),
    [
        (("--model", "absent", "--prompts", "prompts.jsonl"), "input", "no model at absent"),
        ((*MODEL, "--prompts", "empty.jsonl"), "input", "empty.jsonl holds no prompts"),
        ((*MODEL, "--prompts", "absent.jsonl"), "input", "can't read absent.jsonl"),
        (MODEL, "usage", "--prompts is missing"),
        (PROMPTS, "provision", "v0 is not installed"),
        ((*PROMPTS, "--v0", "v7"), "usage", "names no engine"),
        ((*PROMPTS, "--reward", "reward.py"), "usage", "file.py:function"),
        ((*PROMPTS, "--reward", "reward.py:value"), "reward", "is not a function"),
        ((*PROMPTS, "--temperature", 0), "usage", "--temperature"),
        ((*PROMPTS, "--v1-args", "nonsense"), "usage", "key=value"),
        ((*PROMPTS, "--from-code", "reward.py"), "usage", "constructs no vLLM engine"),
        ((*MODEL, "--reference", "absent.parquet"), "input", "no trace at absent.parquet"),
        ((*MODEL, "--reference", "prompts.jsonl"), "input", "not a readable Parquet file"),
    ],
)
def test_what_keeps_it_from_judging_is_one_line_and_the_reports_are_written(
    run, tmp_path, arguments, reason, says
):
    done = run(
        *arguments, "--output-file", "out.json", "--output-file", "out.html", "--output-file", "out.txt"
    )
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in done.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    assert (document["verdict"], document["reason"]) == (None, reason)
    assert says in document["message"]
    assert "<html" in (tmp_path / "out.html").read_text()
    assert (tmp_path / "out.txt").read_text().startswith(f"NOT JUDGED ({reason})")


def test_json_goes_to_stdout_and_nothing_else_does(run):
    done = run(*PROMPTS, "--output-format", "json")
    assert json.loads(done.stdout)["reason"] == "provision"
    assert "hint" not in done.stdout.splitlines()[0]


def test_what_is_missing_is_said_with_what_to_do(run):
    done = run(*PROMPTS)
    assert "vllm-migrate engines install v0" in done.stderr


@pytest.mark.parametrize("name", ["out.pdf", "out", "absent/out.json"])
def test_output_files_are_checked_before_anything_runs(run, name):
    done = run(*PROMPTS, "--output-file", name)
    assert done.returncode == 2
    assert f"--output-file {name}" in done.stderr


def test_a_report_that_can_not_be_written_is_an_error_and_the_others_are_written(run, tmp_path):
    (tmp_path / "dir.json").mkdir()
    done = run(*PROMPTS, "--output-file", "dir.json", "--output-file", "fine.json")
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert (tmp_path / "fine.json").is_file()


def test_help_names_the_options(run):
    done = run("--help")
    assert done.returncode == 0
    for option in ("--model", "--v1-args", "--from-code", "--require-reward", "--reference", "--output-file"):
        assert option in done.stdout
