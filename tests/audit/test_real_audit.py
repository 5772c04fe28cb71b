"""The main job on real engines: V0 and V1 processes, real tokens, real logprobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from vllm_migrate.engines import registry

pytestmark = pytest.mark.engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
V0_CLASS = "vllm.engine.llm_engine.LLMEngine"
V1_CLASS = "vllm.v1.engine.llm_engine.LLMEngine"
REPLAY = ("--model", FIXTURES / "model", "--prompts", FIXTURES / "prompts.jsonl")


def command(*arguments):
    return [sys.executable, "-m", "vllm_migrate", "audit", *map(str, arguments)]


def audit(*arguments, expected):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def workers():
    """Processes that run one of our engines' interpreters."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and words[1].endswith(b"vllm_migrate/workers"):
            found.append(int(entry.parent.name))
    return found


def children(pid):
    """Workers that belong to a process of ours."""
    found = []
    for worker in workers():
        try:
            parent = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(worker)
    return found


@pytest.fixture(scope="module")
def default_audit(tmp_path_factory):
    """V1's defaults at temperature 0.7, top-p 0.9, top-k 50; the reference is recorded for a later test."""
    registry.require("v0")
    registry.require("v1")
    out = tmp_path_factory.mktemp("audit")
    reference = out / "reference.parquet"
    done = audit(
        *REPLAY,
        *("--temperature", 0.7, "--top-p", 0.9, "--top-k", 50),
        *("--reward", f"{FIXTURES / 'reward.py'}:reward"),
        *("--output-file", out / "report.json", "--output-file", out / "report.html"),
        *("--save-reference", reference),
        expected=1,
    )
    document = json.loads((out / "report.json").read_text(), parse_constant=pytest.fail)
    return document, done.stdout, out / "report.html", reference


def test_default_v1_fails_and_the_cause_is_named(default_audit):
    document, text, html, _ = default_audit
    assert (document["verdict"], document["reason"]) == ("FAIL", "divergence")
    assert document["cause"] == "raw-instead-of-processed-logprobs"
    assert document["settings"]["logprobs_mode"] == "processed_logprobs"
    assert document["remedy"]["verdict"] == "PASS"
    assert text.startswith("FAIL")
    assert "raw-instead-of-processed-logprobs" in text
    assert html.read_text().startswith("<!DOCTYPE html>")


def test_the_report_keeps_to_its_published_schema(default_audit):
    document, *_ = default_audit
    published = json.loads((FIXTURES.parent / "docs" / "schema" / "audit.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, published)


def test_what_ran_is_what_should_have_run(default_audit):
    document, *_ = default_audit
    arms = {arm["name"]: arm for arm in document["arms"]}
    assert set(arms) == {"reference", "noise-floor", "candidate", "remedy"}
    for name in ("reference", "noise-floor"):
        assert (arms[name]["engine_class"], arms[name]["runner"]) == (V0_CLASS, "v0")
    for name in ("candidate", "remedy"):
        assert arms[name]["engine_class"] == V1_CLASS
        assert arms[name]["runner"] == "v1-model-runner"
    assert arms["candidate"]["settings"]["logprobs_mode"] == "raw_logprobs"
    assert arms["remedy"]["settings"]["logprobs_mode"] == "processed_logprobs"
    assert arms["remedy"]["settings"]["enable_prefix_caching"] is False


def test_the_figures_are_those_of_this_bug(default_audit):
    """Bounds, not values: the figures move a little with the processor's instruction set."""
    document, *_ = default_audit
    arms = {arm["name"]: arm["metrics"] for arm in document["arms"]}
    candidate, remedy = arms["candidate"]["against_reference"], arms["remedy"]["against_reference"]
    assert candidate["mean_abs"]["value"] > 0.05
    assert candidate["clip_rate"]["value"] > 0.05
    assert remedy["mean_abs"]["high"] < 0.02
    assert remedy["clip_rate"]["value"] < 0.005
    assert arms["noise-floor"]["against_reference"]["mean_abs"]["value"] < 0.005
    assert arms["reference"]["against_trainer"]["mean_abs"]["value"] < 0.02
    assert arms["candidate"]["against_trainer"]["mean_abs"]["value"] > 0.05
    assert candidate["tokens"] == remedy["tokens"] > 3000


def test_raw_logprobs_do_not_change_what_is_sampled_greedily(default_audit):
    """All the modes do is say other numbers of the same choice: most greedy completions stay the same."""
    document, *_ = default_audit
    found = {entry["metric"]: entry for entry in document["diagnostics"]}
    assert found["greedy_identical"]["note"].endswith(" of 16 prompts")
    assert found["greedy_identical"]["estimate"]["value"] >= 0.75


def test_the_recorded_reference_serves_without_v0_and_the_parity_recipe_passes(default_audit, tmp_path):
    *_, reference = default_audit
    report = tmp_path / "report.json"
    settings = {
        "logprobs_mode": "processed_logprobs",
        "enable_prefix_caching": False,
        "async_scheduling": False,
    }
    audit(
        *("--model", FIXTURES / "model", "--reference", reference, "--v0", "v0@0.8.6"),
        *("--temperature", 0.7, "--top-p", 0.9, "--top-k", 50),
        *("--v1-args", json.dumps(settings), "--output-file", report),
        expected=0,
    )
    document = json.loads(report.read_text())
    assert (document["verdict"], document["cause"], document["settings"]) == ("PASS", "none", {})
    assert document["remedy"] is None


def test_an_engine_that_dies_ends_the_audit_with_one_line_and_nothing_left_running(tmp_path):
    report = tmp_path / "report.json"
    with started(report) as process:
        victim = wait_for(lambda: children(process.pid))[-1]
        os.kill(victim, signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2
        assert [line for line in errors.splitlines() if line.startswith("error: ")]
        assert "Traceback" not in errors
        document = json.loads(report.read_text())
        assert (document["verdict"], document["reason"]) == (None, "engine-died")
        assert children(process.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_audit_still_reports_and_leaves_nothing_running(tmp_path, number):
    report = tmp_path / "report.json"
    with started(report) as process:
        engines = wait_for(lambda: len(children(process.pid)) > 1 and children(process.pid))
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == 2
        assert json.loads(report.read_text())["reason"] == "interrupted"
        assert not set(engines) & set(workers())


@contextmanager
def started(report):
    """An audit that runs in the background, and is gone at the end whatever happened.

    It gets the usual SIGINT even where this process was itself started with SIGINT ignored, as in a
    background job.
    """
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command(*REPLAY, "--output-file", report),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, inherited)
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail("nothing happened")
