"""A real audit is killed with SIGKILL between two arms: the next run continues, with the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from vllm_migrate.engines import registry

pytestmark = pytest.mark.engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SMALL = (
    *("--model", FIXTURES / "model", "--prompts", FIXTURES / "prompts.jsonl"),
    *("--limit", 12, "--samples", 2, "--max-tokens", 16, "--sync-probe", "none"),
)
SECONDS = 900
MOVING = {
    "timing",
    "created",
    "seconds",
    "warnings",
    "speed",
}  # what two runs of the same audit may differ in


def command(journal, report):
    words = (*SMALL, "--resume", journal, "--output-file", report)
    return [sys.executable, "-m", "vllm_migrate", "audit", *map(str, words)]


@contextmanager
def started(journal, report):
    with subprocess.Popen(
        command(journal, report), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def engines_of(pid):
    """Process groups that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def log_of(pid):
    """Name of the file that an engine writes its log to; it tells the arm it was started for."""
    return Path(f"/proc/{pid}/fd/2").readlink().name


def wait_for(condition, seconds=SECONDS):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("nothing happened")


def settled(value):
    """A report without what two runs of the same audit may differ in."""
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items() if key not in MOVING}
    return [settled(item) for item in value] if isinstance(value, list) else value


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_audit_continues_and_says_the_same(tmp_path):
    registry.require("v0")
    registry.require("v1")
    whole = subprocess.run(
        command(tmp_path / "whole", tmp_path / "whole.json"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert whole.returncode == 1, whole.stderr

    journal, report = tmp_path / "killed", tmp_path / "killed.json"
    with started(journal, report) as process:
        wait_for(lambda: (journal / "candidate.parquet").exists() or process.poll() is not None)
        engines = engines_of(process.pid)
        process.kill()
        process.wait()
        assert process.returncode == -9
    assert engines
    assert not report.exists()
    kept = {path.stem for path in journal.glob("*.parquet")}
    assert {"reference", "candidate"} <= kept
    assert "trainer.remedy" not in kept
    wait_for(lambda: not any(running(pid) for pid in engines), seconds=30)

    again = subprocess.run(
        command(journal, report), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert again.returncode == 1, again.stderr
    assert "reference: finished by an earlier run" in again.stderr
    assert "candidate: finished by an earlier run" in again.stderr
    assert "candidate: sampling" not in again.stderr
    expected, found = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "killed"))
    assert settled(found) == settled(expected)

    # All of it is there now: a third run starts no engine.
    began = time.monotonic()
    third = subprocess.run(
        command(journal, report), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert third.returncode == 1, third.stderr
    assert "loading" not in third.stderr
    assert settled(json.loads(report.read_text())) == settled(expected)
    assert time.monotonic() - began < SECONDS / 10


def test_a_lost_engine_leaves_what_the_others_measured(tmp_path):
    """The candidate's engine is killed once its own arm is finished, while the remedy is at work in it."""
    registry.require("v0")
    registry.require("v1")
    journal, report = tmp_path / "journal", tmp_path / "report.json"
    with started(journal, report) as process:
        wait_for(lambda: (journal / "candidate.parquet").exists() or process.poll() is not None)
        (candidate,) = (pid for pid in engines_of(process.pid) if "-candidate-" in log_of(pid))
        os.kill(candidate, signal.SIGKILL)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    document = json.loads(report.read_text())
    assert (document["verdict"], document["reason"]) == (None, "engine-died")
    assert "continues from what is finished" in document["message"]
    arms = {arm["name"]: arm for arm in document["arms"]}
    assert {"reference", "noise-floor", "candidate"} <= set(arms)
    assert arms["candidate"]["metrics"]["against_reference"]["tokens"] > 0
    assert arms["noise-floor"]["metrics"]["against_reference"]["tokens"] > 0
