"""`vllm-migrate reward`, with real reward functions in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from children import COMMAND, environment

from vllm_migrate.cli.app import run
from vllm_migrate.cli.reward_options import bytes_of
from vllm_migrate.errors import UsageError
from vllm_migrate.report.reward_words import listed as words_of_names

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
def reward(prompts, completions, answer, **columns):
    return [float(text.rpartition("Answer: ")[2].strip() == gold) for text, gold in zip(completions, answer)]

def longer(prompts, completions, **columns):
    return [len(text) / 100 for text in completions]

def centred(prompts, completions, answer, **columns):
    right = reward(prompts, completions, answer)
    return [one - sum(right) / len(right) for one in right]

def slow(prompts, completions, **columns):
    import time
    time.sleep(0.05 * len(completions))
    return [float(len(text) % 3) for text in completions]

def hangs(prompts, completions, **columns):
    import time
    time.sleep(600)

def score(text, answer):
    return float(text.rpartition("Answer: ")[2].strip() == answer)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reward, rollouts with texts of several lengths, and prompts."""
    (tmp_path / "rewards.py").write_text(GOOD)
    rows, prompts = [], []
    for number in range(12):
        prompt = {"prompt": f"What is {number}+{number}?", "answer": str(2 * number)}
        prompts.append(prompt)
        for turn in range(4):
            given = 2 * number + (number + turn) % 2
            text = "I add them. " * (1 + (number + 3 * turn) % 5) + f"Answer: {given}"
            rows.append({**prompt, "completion": text})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examined(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict]:
    code = run(["reward", *args, "--quiet", "--output-format", "json"])
    return code, json.loads(capsys.readouterr().out)


SOME = ("--rollouts", "rows.jsonl", "--select", "contract,length")


@pytest.mark.usefixtures("project")
def test_a_good_reward_passes_and_a_bad_one_fails(capsys: pytest.CaptureFixture[str]):
    code, document = examined(capsys, "rewards.py:reward", *SOME)
    assert (code, document["verdict"]) == (0, "PASS")
    assert (document["samples"], document["prompts"], document["source"]) == (48, 12, "rows.jsonl")
    assert document["taken"]
    code, document = examined(capsys, "rewards.py:longer", *SOME)
    assert (code, document["verdict"]) == (1, "FAIL")
    outcomes = {check["probe"]: check["outcome"] for check in document["checks"]}
    assert (outcomes["contract"], outcomes["length"], outcomes["format"]) == ("pass", "fail", "off")
    assert document["curve"]["fitted"]


@pytest.mark.usefixtures("project")
def test_weighted_functions_modules_and_styles(capsys: pytest.CaptureFixture[str]):
    code, document = examined(capsys, "rewards:reward=0.5", "rewards.py:longer=0.0", *SOME)
    assert (code, document["kind"]) == (0, "weighted sum")
    assert document["reward"] == "rewards:reward=0.5 + rewards.py:longer=0.0"
    assert set(document["rewards"]) == {0.0, 0.5}
    assert len(document["taken"]) == 2
    code, document = examined(capsys, "rewards.py:score", *SOME, "--style", "text-answer")
    assert code == 0


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("ignored", [(), ("--ignore", "determinism")])
def test_a_reward_that_is_relative_to_its_batch_is_one_finding(
    capsys: pytest.CaptureFixture[str], ignored: tuple[str, ...]
):
    code, document = examined(
        capsys,
        "rewards.py:centred",
        "--rollouts",
        "rows.jsonl",
        "--select",
        "contract,determinism,groups,length,swap",
        *ignored,
    )
    checks = {check["probe"]: check for check in document["checks"]}
    assert code == (0 if ignored else 1)
    assert checks["determinism"]["outcome"] == ("off" if ignored else "fail")
    assert (checks["contract"]["outcome"], checks["groups"]["outcome"]) == ("pass", "pass")
    for probe in ("length", "swap"):
        assert checks[probe]["outcome"] == "not judged"
        assert "depends on its batch" in checks[probe]["message"]


@pytest.mark.usefixtures("project")
def test_time_in_all_is_bounded(capsys: pytest.CaptureFixture[str]):
    code, document = examined(capsys, "rewards.py:slow", *SOME, "--time-limit", "8")
    checks = {check["probe"]: check for check in document["checks"]}
    assert (code, document["verdict"]) == (2, "INCONCLUSIVE")
    assert "time limit of 8 s" in checks["length"]["message"]
    args = ("--seconds-per-text", "0.1", "--time-limit", "8")
    code, document = examined(capsys, "rewards.py:hangs", *SOME, *args)
    checks = {check["probe"]: check for check in document["checks"]}
    assert (code, checks["contract"]["outcome"], checks["length"]["outcome"]) == (1, "fail", "not judged")
    assert "did not return" in checks["contract"]["message"]


@pytest.mark.usefixtures("project")
def test_completions_are_made_where_there_are_only_prompts(capsys: pytest.CaptureFixture[str]):
    args = ("--prompts", "prompts.jsonl", "--select", "contract,saturation")
    code, document = examined(capsys, "rewards.py:reward", *args)
    assert code == 0
    assert document["source"] == "the answers of prompts.jsonl"
    assert set(document["rewards"]) == {0.0, 1.0}
    outcomes = {check["probe"]: check["outcome"] for check in document["checks"]}
    assert outcomes["saturation"] == "not applicable"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "no reward is named"),
        (("rewards.py:reward",), "nothing to score"),
        (("rewards.py:reward", "--rollouts", "rows.jsonl", "--prompts", "prompts.jsonl"), "exclude"),
        (("nowhere.py:reward", "--rollouts", "rows.jsonl"), "no reward file at nowhere.py"),
        (("rewards.py:gone", "--rollouts", "rows.jsonl"), "gone"),
        (("rewards.py:reward", "--rollouts", "nowhere.jsonl"), "nowhere.jsonl"),
        (
            ("rewards.py:reward", "--rollouts", "rows.jsonl", "--select", "lenght"),
            "no probe is called 'lenght'",
        ),
        (("rewards.py:reward", "--rollouts", "rows.jsonl", "--memory", "much"), "no size"),
        (("rewards.py:reward", "--rollouts", "rows.jsonl", "--answer-column", "x"), "no column 'x'"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_cannot_be_judged_exits_2_and_says_why(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], message: str
):
    assert run(["reward", *args, "--quiet"]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_every_report_is_written_and_one_that_cannot_be_does_not_keep_the_others_away(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    names = ("r.html", "r.json", "r.md", "r.xml", "r.txt")
    files = [part for name in names for part in ("--output-file", name)]
    assert run(["reward", "rewards.py:longer", *SOME, "--quiet", *files]) == 1
    assert all((project / name).stat().st_size > 200 for name in names)
    assert (project / "r.txt").read_text() == capsys.readouterr().out
    (project / "dir.json").mkdir()
    assert run(["reward", "rewards.py:longer", *SOME, "-q", "--output-file", "dir.json", *files]) == 2


@pytest.mark.usefixtures("project")
def test_progress_goes_to_stderr_and_quiet_silences_it(capsys: pytest.CaptureFixture[str]):
    run(["reward", "rewards.py:reward", *SOME])
    assert "reward: length" in capsys.readouterr().err
    run(["reward", "rewards.py:reward", *SOME, "-q"])
    assert capsys.readouterr().err == ""


def test_the_configuration_says_what_the_command_line_does_not(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (project / "pyproject.toml").write_text(
        "[tool.vllm-migrate.reward]\n"
        'function = "rewards.py:longer"\nrollouts = "rows.jsonl"\nselect = ["contract", "length"]\n'
        "limits = { length = { warn = 0.1, fail = 0.2 } }\n"
    )
    (project / "sub").mkdir()
    monkeypatch.chdir(project / "sub")
    code, document = examined(capsys)
    assert code == 1
    length = next(check for check in document["checks"] if check["probe"] == "length")
    assert (length["limits"]["warn"], length["limits"]["fail"]) == (0.1, 0.2)
    assert length["limits"]["source"].startswith("set by the user")
    code, document = examined(capsys, "--ignore", "length")
    assert (code, document["verdict"]) == (0, "PASS")
    code, document = examined(capsys, "../rewards.py:reward")
    assert document["reward"] == "../rewards.py:reward"


def test_what_was_answered_is_kept_and_not_asked_again(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "counting.py").write_text(
        "from pathlib import Path\n"
        "def reward(prompts, completions, **columns):\n"
        f"    with open({str(project / 'calls')!r}, 'a') as file: file.write('x' * len(completions))\n"
        "    return [float(len(text) % 2) for text in completions]\n"
    )
    args = ("counting.py:reward", *SOME, "--resume", "kept")
    first = examined(capsys, *args)
    asked = (project / "calls").stat().st_size
    second = examined(capsys, *args)
    assert (project / "calls").stat().st_size == asked > 48
    assert [check["figure"] for check in first[1]["checks"]] == [c["figure"] for c in second[1]["checks"]]


def test_a_run_that_is_stopped_says_so_and_leaves_no_process_behind(project: Path):
    (project / "slow.py").write_text(
        "import os, time\n"
        "def reward(prompts, completions, **columns):\n"
        f"    open({str(project / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [*COMMAND, "reward", "slow.py:reward", *SOME, "--seconds-per-text", "600", "--output-file", "r.json"],
        cwd=project,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "starting" in process.stderr.readline()
        until = time.monotonic() + 30
        while not ((project / "pid").is_file() and (project / "pid").read_text()):
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 2
    assert "interrupted" in said
    assert json.loads((project / "r.json").read_text())["reason"] == "interrupted"
    with pytest.raises(ProcessLookupError):
        os.kill(int((project / "pid").read_text()), 0)


def test_probes_are_listed_and_explained_without_a_reward(capsys: pytest.CaptureFixture[str]):
    assert run(["reward", "--list"]) == 0
    assert "length: Does length change the reward?" in capsys.readouterr().out
    assert run(["reward", "--explain", "length"]) == 0
    assert "**Figure:**" in capsys.readouterr().out
    assert run(["reward", "--explain", "lenght"]) == 2
    assert "did you mean 'length'?" in capsys.readouterr().err


def test_sizes():
    assert (bytes_of("4G"), bytes_of("512 MiB"), bytes_of("100kb")) == (4 << 30, 512 << 20, 102400)
    for text in ("", "G", "-1G", "0", "4 apples"):
        with pytest.raises(UsageError):
            bytes_of(text)


def test_long_lists_of_names_are_cut():
    assert words_of_names(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_directory_is_looked_through_and_its_only_reward_taken(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    code, document = examined(capsys, ".", *SOME)
    assert code == 2  # three functions look like rewards, and no trainer says which one counts
    assert run(["reward", ".", *SOME, "-q"]) == 2
    said = capsys.readouterr().err
    assert "rewards.py:reward" in said
    assert "rewards.py:longer" in said
    (project / "train.py").write_text("from rewards import reward\nGRPOTrainer(m, reward_funcs=[reward])\n")
    code, document = examined(capsys, ".", *SOME)
    assert (code, document["reward"]) == (0, "rewards.py:reward")
    assert run(["reward", ".", "rewards.py:reward", *SOME, "-q"]) == 2
    assert "stands alone" in capsys.readouterr().err
    (project / "empty").mkdir()
    assert run(["reward", "empty", *SOME, "-q"]) == 2
    assert "no reward was found" in capsys.readouterr().err
