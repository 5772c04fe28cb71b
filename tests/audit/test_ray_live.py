"""An audit on a real Ray of this machine: an actor dies, a rerun continues, and says what one engine says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vllm_migrate.engines import registry
from vllm_migrate.trace.parquet import read_trace

pytestmark = pytest.mark.engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SMALL = (
    *("--model", FIXTURES / "model", "--prompts", FIXTURES / "prompts.jsonl"),
    *("--limit", 12, "--samples", 2, "--max-tokens", 16, "--sync-probe", "none", "--ladder", "none"),
)
ON_RAY = ("--executor", "ray", "--replicas", 2)
SECONDS = 1500
MOVING = {"timing", "created", "seconds", "warnings", "speed"}


def command(folder, *more):
    words = (*SMALL, *more, "--resume", folder / "journal", "--output-file", folder / "report.json")
    words += ("--save-reference", folder / "reference.parquet")
    return [sys.executable, "-m", "vllm_migrate", "audit", *map(str, words)]


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def engines_of(driver, arm):
    """Engines that work for an arm of a driver, as (engine, its actor)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(entry.parent.name)
        try:
            ours = b"vllm_migrate/workers" in entry.read_bytes()
            log = Path(f"/proc/{pid}/fd/2").readlink().name if ours else ""
        except OSError:
            continue
        above = parent_of(pid)
        while ours and above > 1 and above != driver:
            above = parent_of(above)
        if ours and above == driver and f"-{arm}-" in log:
            found.append((pid, parent_of(pid)))
    return found


def settled(value):
    """A report without what two runs of the same audit may differ in."""
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items() if key not in MOVING}
    return [settled(item) for item in value] if isinstance(value, list) else value


def gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def wait_for(condition, seconds=SECONDS):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("nothing happened")


def tokens(folder):
    trace = read_trace(folder / "reference.parquet")
    return [(rollout.prompt, rollout.sample, rollout.token_ids) for rollout in trace.rollouts]


@pytest.mark.timeout(3 * SECONDS)
def test_two_replicas_say_what_one_machine_says_also_after_one_has_died(tmp_path):
    pytest.importorskip("ray")
    registry.require("v0")
    registry.require("v1")
    spread, alone = tmp_path / "ray", tmp_path / "local"
    spread.mkdir()
    alone.mkdir()
    with subprocess.Popen(
        command(spread, *ON_RAY), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for(
                lambda: (spread / "journal" / "reference.parquet").exists() or process.poll() is not None
            )
            engines = wait_for(lambda: engines_of(process.pid, "candidate") or process.poll() is not None)
            os.kill(engines[0][1], signal.SIGKILL)  # the actor; its engine follows
            _, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    document = json.loads((spread / "report.json").read_text(encoding="utf-8"))
    assert (document["verdict"], document["reason"]) == (None, "engine-died")
    assert "is gone, during load" in document["message"]
    wait_for(lambda: all(gone(pid) for pid, _ in engines), seconds=60)

    again = subprocess.run(
        command(spread, *ON_RAY), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert again.returncode == 1, again.stderr
    assert "reference: finished by an earlier run" in again.stderr
    single = subprocess.run(command(alone), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert single.returncode == 1, single.stderr
    one, two = (
        json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in (alone, spread)
    )
    assert any("2 replicas of each engine" in line for line in two["warnings"])
    assert tokens(spread) == tokens(alone)
    floor = arm(one, "noise-floor")["against_reference"]["mean_abs"]["high"]
    for name in ("candidate", "remedy"):
        here, there = (arm(document, name)["against_reference"]["mean_abs"] for document in (one, two))
        assert abs(here["value"] - there["value"]) <= floor
    assert one["verdict"] == two["verdict"] == "FAIL"
    if floor == 0:  # an engine that repeats itself to the bit does so in shares, too
        assert settled(two) == settled(one)


def arm(document, name):
    return next(entry["metrics"] for entry in document["arms"] if entry["name"] == name)
