"""A real vLLM server on this machine as the candidate, started as a user would start it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from vllm_migrate.engines import registry
from vllm_migrate.engines.endpoint.find import endpoint
from vllm_migrate.errors import EngineStartError

pytestmark = pytest.mark.engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
MODEL = FIXTURES / "model"
AT_1 = ("--temperature", 1, "--top-p", 1, "--top-k", -1, "--samples", 2)
UP_SECONDS = 400


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "vllm_migrate", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@contextmanager
def served(tmp_path, *arguments):
    """vLLM's OpenAI-compatible server on a free port; yields its address."""
    engine = registry.require("v1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-m", "vllm.entrypoints.openai.api_server", "--model", MODEL, "--host", "127.0.0.1")
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [str(engine.python), *map(str, words), "--port", str(port), "--enforce-eager", *arguments],
            env=engine.variables({"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + UP_SECONDS
        while True:
            try:
                endpoint(url)
                break
            except EngineStartError:
                assert server.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
                assert time.monotonic() < until, "the server did not come up"
                time.sleep(1)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """V0's side at temperature 1, where only the semantic probe can tell raw logprobs from processed ones."""
    registry.require("v0")
    path = tmp_path_factory.mktemp("reference") / "reference.parquet"
    prompts = ("--prompts", FIXTURES / "prompts.jsonl", "--limit", 24)
    done = command("record", "--model", MODEL, *prompts, *AT_1, "--output", path, "--quiet")
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("mode", ["raw_logprobs", "processed_logprobs"])
def test_a_running_server_is_judged_by_its_own_tokens(tmp_path, reference, mode):
    with served(tmp_path, "--logprobs-mode", mode) as url:
        done = command(
            *("audit", "--model", MODEL, "--reference", reference, *AT_1, "--v1-url", url),
            *("--quiet", "--output-format", "json", "--fresh"),
        )
        forced = command(
            *("record", "--model", MODEL, "--follow", reference, "--engine", url),
            *("--output", tmp_path / "candidate.parquet", "--quiet"),
        )
    assert done.returncode in (0, 1, 2), done.stderr
    document = json.loads(done.stdout)
    (candidate,) = [arm for arm in document["arms"] if arm["name"] == "candidate"]
    failed = {check["comparison"] for check in candidate["checks"] if check["verdict"] == "FAIL"}
    if mode == "raw_logprobs":
        assert (document["verdict"], failed) == ("FAIL", {"probe"})
        assert document["cause"] == "raw-instead-of-processed-logprobs"
    else:
        assert document["verdict"] in ("PASS", "INCONCLUSIVE")
        assert failed == set()
    assert candidate["runner"] == "endpoint"
    assert candidate["settings"]["endpoint"] == url
    invariants = {entry["name"]: entry["holds"] for entry in document["invariants"]}
    assert invariants["same-prompt-ids"] is True
    scores = {figure["metric"]: figure["estimate"]["value"] for figure in document["diagnostics"]}
    assert scores["served_prompt_logprobs"] < 0.02
    assert forced.returncode == 2
    assert "forced replay needs an engine in a process of this tool's own" in forced.stderr
