"""`vllm-migrate watch`, as a user types it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from children import COMMAND, environment

sys.path.append(str(Path(__file__).parents[1] / "watch"))  # for `made`

from made import DATA, rows, write_lines, write_state

from vllm_migrate.report.watch_schema import schema


@pytest.fixture
def logs(project: Path) -> Path:
    """A reference, a candidate that stays and one that leaves at step 60."""
    write_state(project / "v0" / "trainer_state.json", rows(1))
    write_state(project / "same" / "trainer_state.json", rows(2))
    write_lines(project / "v1.jsonl", rows(2, leaves=60))
    return project


@pytest.mark.usefixtures("logs")
def test_it_exits_with_0_where_the_candidate_stays(run):
    done = run("watch", "v0", "same")
    assert done.code == 0
    assert done.out.startswith("IN BAND  ")
    assert done.err == ""
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.usefixtures("logs")
def test_it_exits_with_1_and_names_step_and_metric(run):
    done = run("watch", "v0", "v1.jsonl")
    assert done.code == 1
    assert done.out.startswith("LEFT  the candidate left the reference at step ")
    assert "first in clip rate" in " ".join(done.out.split())
    assert "one run a side" in " ".join(done.out.split())
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["v0"], "a reference and a candidate are needed"),
        ([], "a reference and a candidate are needed"),
        (["v0", "same", "v1.jsonl"], "two runs are compared"),
        (["v0", "missing"], "missing: there is no such file or directory"),
        (["v0", "empty"], "empty: no run log there"),
        (["v0", "broken.json"], "broken.json: no JSON"),
        (["v0", "same", "--only", "rewrd"], "--only rewrd: not logged by every run"),
        (["v0", "same", "--metric", "x"], "--metric x: must be THEIRS=OURS"),
        (["v0", "other.jsonl"], "no metric in common"),
        (["v0", "short.jsonl"], "20 common steps, 30 are needed"),
        (["v0", "same", "--output-file", "x.doc"], "the suffix must be"),
    ],
)
def test_what_can_not_be_judged_is_said_in_one_line(run, logs, arguments, said):
    (logs / "empty").mkdir()
    (logs / "broken.json").write_text("{", encoding="utf-8")
    write_lines(logs / "other.jsonl", [{"step": 1, "mine": 1.0}])
    write_lines(logs / "short.jsonl", rows(2, steps=20))
    done = run("watch", *arguments)
    assert done.code == 2
    assert said in done.err.splitlines()[0]
    assert "Traceback" not in done.err
    assert done.out == ""


def test_every_report_is_written(run, logs):
    names = ("r.html", "r.json", "r.md", "r.xml", "r.txt")
    done = run("watch", "v0", "v1.jsonl", *(part for name in names for part in ("--output-file", name)))
    assert done.code == 1
    document = json.loads((logs / "r.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    jsonschema.validate(document, schema())
    assert document["verdict"] == "FAIL"
    assert document["metrics"][0]["name"] == "clip_rate"
    ET.fromstring((logs / "r.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own report
    page = (logs / "r.html").read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert "clip rate" in (logs / "r.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("logs")
def test_an_error_is_a_report_too(run):
    done = run("watch", "v0", "missing", "--output-format", "json")
    document = json.loads(done.out)
    jsonschema.validate(document, schema())
    assert (document["verdict"], document["reason"]) == (None, "input")
    for kind in ("html", "markdown", "junit"):
        done = run("watch", "v0", "missing", "--output-format", kind)
        assert done.code == 2
        assert "missing" in done.out


def test_seeds_are_named_by_options_or_by_a_directory(run, logs):
    for seed in range(5):
        write_state(logs / "refs" / f"{seed}" / "trainer_state.json", rows(seed))
        write_state(logs / "cands" / f"{seed}" / "trainer_state.json", rows(10 + seed, leaves=60))
    done = run("watch", "refs", "cands", "--output-format", "json")
    document = json.loads(done.out)
    assert document["method"] == "labels"
    assert len(document["references"]) == len(document["candidates"]) == 5
    assert document["metrics"][0]["left"]["step"] == pytest.approx(60, abs=2)
    options = [
        part for seed in range(5) for part in ("--reference", f"refs/{seed}", "--candidate", f"cands/{seed}")
    ]
    again = json.loads(run("watch", *options, "--output-format", "json").out)
    assert again["metrics"] == document["metrics"]


def test_logs_of_real_tools_are_compared(run):
    done = run("watch", DATA / "tensorboardx", DATA / "wandb" / "run-tiny.wandb", "--output-format", "json")
    document = json.loads(done.out)
    assert done.code == 0
    assert {one["name"] for one in document["metrics"]} == {"reward", "kl_ref", "entropy"}
    assert run("watch", DATA / "trl", DATA / "trl").code == 0


def test_a_log_can_not_steer_the_terminal(run, logs):
    evil = [{**row, "\x1b[31mevil\u202e": row["reward"]} for row in rows(1)]
    write_lines(logs / "evil\x1b[2J.jsonl", evil)
    done = run(
        "watch",
        "evil\x1b[2J.jsonl",
        "v1.jsonl",
        "--metric",
        "\x1b[31mevil\u202e=x",
        "--output-format",
        "text",
    )
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def test_a_run_in_progress_is_followed_until_a_signal(tmp_path):
    """A process that writes, a process that watches, Ctrl-C: the verdict so far."""
    write_lines(tmp_path / "v0.jsonl", rows(1))
    history = rows(2)
    file = write_lines(tmp_path / "v1.jsonl", history[:40])
    # A child inherits an ignored SIGINT from tests that run in the background.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        watching = subprocess.Popen(
            [
                *COMMAND,
                "watch",
                "v0.jsonl",
                "v1.jsonl",
                "--follow",
                "--every",
                "0.1",
                "--output-format",
                "json",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(NO_COLOR="1"),
        )
    finally:
        signal.signal(signal.SIGINT, inherited)
    with watching:
        assert watching.stderr is not None
        first = watching.stderr.readline()
        assert first.startswith("step 40: in band")
        with file.open("a", encoding="utf-8") as stream:
            for row in history[40:80]:
                line = json.dumps(row) + "\n"
                stream.write(line[:30])
                stream.flush()
                stream.write(line[30:])
        assert watching.stderr.readline().startswith("step ")
        time.sleep(0.3)
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=120)
    assert watching.returncode == 0, err
    document = json.loads(out)
    assert document["verdict"] == "PASS"
    assert document["running"] is True
    assert document["candidates"][0]["last_step"] == 80
    assert "Traceback" not in err
