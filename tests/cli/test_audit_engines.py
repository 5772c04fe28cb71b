"""Which engines an audit is told to use: what is refused before anything starts."""

from __future__ import annotations

import functools
import sys
import venv

import pytest


@pytest.fixture
def audit(run, project, monkeypatch):
    """`audit` with small inputs, beside environments that say which vLLM they hold."""
    monkeypatch.setenv("VLLM_MIGRATE_CACHE", str(project / "cache"))
    (project / "model").mkdir()
    (project / "model" / "config.json").write_text("{}")
    (project / "prompts.jsonl").write_text('{"prompt": "a"}\n')
    for name, version in (("old", "0.8.5"), ("new", "0.32.0")):
        venv.create(project / name, symlinks=True, with_pip=False)
        site = next((project / name).glob("lib/python3*/site-packages"))
        info = site / f"vllm-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    return functools.partial(run, "audit", "--model", "model", "--prompts", "prompts.jsonl")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--v0-python", "new", "--v1-python", "new"),
            "has vLLM 0.32.0, a V1 engine; the reference must be V0",
        ),
        (
            ("--v0-python", "old", "--v1-python", "old"),
            "has vLLM 0.8.5, a V0 engine; the candidate must be V1",
        ),
        (("--v0-python", sys.executable), "has no vLLM installed"),
        (("--v0-python", "absent"), "is no Python interpreter that runs here"),
        (("--v0", "v0@0.8.5", "--v0-python", "old"), "--v0 and --v0-python exclude each other"),
        (("--v1", "v1", "--v1-python", "new"), "--v1 and --v1-python exclude each other"),
        (
            ("--v1-python", "new", "--v1-url", "http://localhost:1"),
            "--v1-python and --v1-url exclude each other",
        ),
        (("--from-code", "train.py", "--v1-url", "http://127.0.0.1:9"), "--from-code and --v1-url exclude"),
        (("--v1-url", "localhost:8000"), "--v1-url localhost:8000 is no server's address"),
        (("--v0-python", "old", "--v1-url", "http://127.0.0.1:9"), "nothing answers at http://127.0.0.1:9"),
        (("--v1-url", "http://127.0.0.1:9", "--v1-args", "seed=1"), "can't reach a server that runs already"),
        (("--v1-url", "http://127.0.0.1:9", "--earn-speed"), "--earn-speed needs forced replay"),
        (("--v1-url", "http://127.0.0.1:9", "--tensor-parallel-size", 2), "can't reach a server that runs"),
        (("--gpu-memory-utilization", 1.5), "gpu_memory_utilization of the reference must be above 0"),
        (("--tensor-parallel-size", -1), "tensor_parallel_size of the reference must be a whole number"),
        (
            ("--v0-python", "old", "--v1-python", "new", "--pipeline-parallel-size", 2),
            "pipeline_parallel_size=2 of the reference: V0 has pipelines in its asynchronous engine only",
        ),
        (
            ("--v0-python", "old", "--v1-python", "new", "--v1-args", "tensor_parallel_size=512"),
            "tensor_parallel_size=512 of the candidate needs 512 ",
        ),
    ],
)
def test_an_engine_that_can_not_play_its_side_is_refused_in_one_line(audit, arguments, says):
    done = audit(*arguments)
    assert done.code == 2, done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert "Traceback" not in done.err


def test_the_help_has_a_panel_of_engines(run):
    panel = run("audit", "--help").out.partition("Engines")[2].partition("Your code")[0]
    for option in ("--v0 ", "--v1 ", "--v0-python", "--v1-python", "--v1-url", "--v0-args", "--v1-args"):
        assert option in panel
