from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"
CODE = 'from vllm import LLM\n\nllm = LLM("m", seed=1)\n'
REPORT = {
    "schema": "vllm-migrate-audit/1",
    "verdict": "FAIL",
    "settings": {"logprobs_mode": "processed_logprobs"},
}


@pytest.fixture
def run(start):
    return functools.partial(start, "audit")


def report(tmp_path, **changes):
    (tmp_path / "report.json").write_text(json.dumps({**REPORT, **changes}))


def test_a_report_is_written_back_once(run, tmp_path):
    (tmp_path / "train.py").write_text(CODE)
    report(tmp_path)
    shown = run("--apply-from", "report.json", "--from-code", "train.py")
    assert shown.returncode == 0
    assert '+llm = LLM("m", seed=1, logprobs_mode="processed_logprobs")' in shown.stderr
    assert "nothing was written; --yes writes it" in shown.stderr
    assert (tmp_path / "train.py").read_text() == CODE
    done = run("--apply-from", "report.json", "--from-code", "train.py", "--yes")
    assert (done.returncode, done.stdout) == (0, "")
    assert "written: train.py" in done.stderr
    written = (tmp_path / "train.py").read_bytes()
    again = run("--apply-from", "report.json", "--from-code", "train.py", "--yes")
    assert again.returncode == 0
    assert "there already at train.py:3: logprobs_mode" in again.stderr
    assert (tmp_path / "train.py").read_bytes() == written


def test_a_report_knows_where_its_settings_came_from(run, tmp_path):
    (tmp_path / "train.py").write_text(f"{CODE}other = LLM('m')\n")
    site = {"path": "train.py", "line": 1}  # lines move, the second construction stays the second
    report(tmp_path, code={"places": ["train.py:4"], "ordinal": 1, "site": site})
    assert run("--apply-from", "report.json", "--yes").returncode == 0
    assert "other = LLM('m', logprobs_mode=\"processed_logprobs\")" in (tmp_path / "train.py").read_text()


def test_the_remedy_is_written_where_no_cause_was_named_unless_it_failed(run, tmp_path):
    (tmp_path / "train.py").write_text(CODE)
    for verdict, says in (
        ("FAIL", "nothing to write back"),
        ("INCONCLUSIVE", "whose verdict is INCONCLUSIVE"),
    ):
        report(tmp_path, settings={}, remedy={"settings": {"async_scheduling": False}, "verdict": verdict})
        done = run("--apply-from", "report.json", "--from-code", "train.py")
        assert done.returncode == 0
        assert says in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--apply-from", "absent.json"), "can't read absent.json"),
        (("--apply-from", "train.py"), "is no JSON report"),
        (("--apply-from", "report.json"), "was made without --from-code"),
        (("--apply-from", "report.json", "--from-code", "two.py"), "at lines 2, 3"),
        (("--apply",), "--model is missing"),
        (("--model", "m", "--apply"), "--apply needs --from-code"),
        (("--model", "m", "--from-code", "notes.csv"), "not a kind of file that can be checked"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_nothing_is_written(run, tmp_path, arguments, says):
    (tmp_path / "train.py").write_text(CODE)
    (tmp_path / "notes.csv").write_text("no code\n")
    (tmp_path / "two.py").write_text("from vllm import LLM\nLLM('m')\nLLM('m')\n")
    report(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(*arguments, *(("--yes",) if "--apply-from" in arguments else ()))
    assert done.returncode == 2
    assert says in done.stderr
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_uncommitted_work_is_not_written_over(run, tmp_path):
    (tmp_path / "train.py").write_text(CODE)
    report(tmp_path)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)  # noqa: S607 - the git of the machine
    arguments = ("--apply-from", "report.json", "--from-code", "train.py", "--yes")
    refused = run(*arguments)
    assert refused.returncode == 2
    assert "git has not committed what is in train.py" in refused.stderr
    assert (tmp_path / "train.py").read_text() == CODE
    assert run(*arguments, "--allow-dirty").returncode == 0
    assert "processed_logprobs" in (tmp_path / "train.py").read_text()


def test_the_code_is_in_the_report_and_options_win_over_it(run, tmp_path):
    prompts = FIXTURES / "prompts.jsonl"
    done = run(
        "--model", "absent", "--prompts", prompts, "--from-code", FIXTURES / "grpo_v0", "--top-p", "0.5",
        "--output-file", "out.json",
    )  # fmt: skip
    assert done.returncode == 2  # there is no such model
    assert "refused by V1: swap_space (rollout.py:30)" in done.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    assert (document["sampling"]["top_p"], document["sampling"]["top_k"]) == (0.5, 50)
    assert any("swap_space=0" in line for line in document["warnings"])
