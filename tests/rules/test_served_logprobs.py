"""Servers started by a script, whose clients train on the log-probabilities they are sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = (
    "from openai import OpenAI\n\n\ndef step(client: OpenAI, optimizer, loss_of):\n"
    '    answer = client.completions.create(model="m", prompt=[1], logprobs=1)\n'
    "    loss = loss_of(answer.choices[0].logprobs.token_logprobs)\n"
    "    loss.backward()\n    optimizer.step()\n"
)


def rewrite(folder, script, client=CLIENT):
    (folder / "serve.sh").write_text(script)
    (folder / "client.py").write_text(client)
    (folder / "requirements.txt").write_text("vllm==0.8.5\n")
    command = [
        sys.executable,
        "-m",
        "vllm_migrate",
        "rewrite",
        "--unsafe-fixes",
        "--quiet",
        "--select",
        "VM701",
    ]
    subprocess.run(
        [*command, "."], cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True
    )
    return (folder / "serve.sh").read_text()


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ("vllm serve m --port 1\n", "serve"),
        ("exec python -m vllm.entrypoints.openai.api_server \\\n    --model m\n", "api_server"),
    ],
)
def test_server_of_a_trainer_gets_the_flag(tmp_path, script, last):
    flag = " --logprobs-mode processed_logprobs"
    assert rewrite(tmp_path, script) == script.replace(last, last + flag)


@pytest.mark.parametrize(
    "script",
    [
        "vllm serve m --logprobs-mode raw_logprobs\n",
        "trl vllm-serve --model m\n",
        "vllm bench throughput --model m\n",
    ],
)
def test_other_commands_are_left_alone(tmp_path, script):
    assert rewrite(tmp_path, script) == script


def test_server_nobody_trains_on_is_left_alone(tmp_path):
    client = CLIENT.replace("    loss.backward()\n    optimizer.step()\n", "    return loss\n")
    script = "vllm serve m\n"
    assert rewrite(tmp_path, script, client) == script
