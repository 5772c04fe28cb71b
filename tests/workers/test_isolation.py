from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import vllm_migrate

WORKERS = Path(vllm_migrate.__file__).parent / "workers"
MODULES = sorted(WORKERS.glob("*.py"))
IN_EVERY_ENGINE = {
    "vllm",
    "torch",
    "transformers",
    "safetensors",  # a requirement of transformers'
    "cloudpickle",  # one of vLLM's, by which it sends functions to its ranks
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_run_in_the_oldest_engines_python_and_import_nothing_of_ours(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names or top in IN_EVERY_ENGINE, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_heavy_is_imported_before_it_is_asked_for(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            assert not any(name.partition(".")[0] in {"vllm", "torch", "transformers"} for name in names)


def talk(*requests, prelude=""):
    """Run the worker with what an engine might do to it, and return its answers."""
    run = f"sys.argv = [{str(WORKERS)!r}]; runpy.run_path(sys.argv[0], run_name='__main__')"
    code = f"import runpy, sys; {prelude or 'pass'}; {run}"
    lines = "".join(
        json.dumps(request) + "\n" if isinstance(request, dict) else request for request in requests
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_what_an_engine_prints_is_kept_out_of_the_answers():
    hello = {"id": 1, "op": "hello"}
    prelude = (
        "import os, json; "
        "real = json.dumps; "
        "json.dumps = lambda value: (print('noise'), os.write(1, b'noise'), real(value))[2]"
    )
    answers, stderr = talk(hello, prelude=prelude)
    assert [answer["id"] for answer in answers] == [1]
    assert "noise" in stderr


def test_every_request_gets_one_answer_with_its_number():
    answers, _ = talk(
        {"id": 7, "op": "hello"},
        {"id": 8, "op": "nonsense"},
        {"id": 9, "op": "load", "args": {"bad": 1}},
        {"id": 10, "op": "shutdown"},
        {"id": 11, "op": "hello"},
    )
    assert [answer["id"] for answer in answers] == [7, 8, 9, 10]
    assert answers[1]["error"]["kind"] == "unsupported"
    assert answers[2]["error"]["kind"] == "engine"
    assert "Traceback" in answers[2]["error"]["detail"]
    assert answers[3]["ok"] == {}


def test_a_line_that_is_no_message_is_answered_too():
    answers, _ = talk("this is no JSON\n", {"id": 2, "op": "hello"})
    assert answers[0]["id"] is None
    assert answers[0]["error"]["kind"] == "engine"
    assert answers[1]["id"] == 2
