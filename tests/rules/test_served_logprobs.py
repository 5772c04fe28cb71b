"""Servers started by a script, whose clients train on the log-probabilities they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.rules.rewrite import rewrite
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = (
    "from openai import OpenAI\n\n\ndef step(client: OpenAI, optimizer, loss_of):\n"
    '    answer = client.completions.create(model="m", prompt=[1], logprobs=1)\n'
    "    loss = loss_of(answer.choices[0].logprobs.token_logprobs)\n"
    "    loss.backward()\n    optimizer.step()\n"
)


def rewritten(folder: Path, script: str, client: str = CLIENT) -> str:
    """The script after VM701's edits, with a client beside it."""
    (folder / "serve.sh").write_text(script)
    (folder / "client.py").write_text(client)
    (folder / "requirements.txt").write_text("vllm==0.8.5\n")
    found = scan([folder], Config(select=("VM701",)))
    assert not found.diagnostics
    rewrite(found, unsafe=True, write=True)
    return (folder / "serve.sh").read_text()


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ("vllm serve m --port 1\n", "serve"),
        ("exec python -m vllm.entrypoints.openai.api_server \\\n    --model m\n", "api_server"),
    ],
)
def test_server_of_a_trainer_gets_the_flag(tmp_path: Path, script: str, last: str) -> None:
    flag = " --logprobs-mode processed_logprobs"
    assert rewritten(tmp_path, script) == script.replace(last, last + flag)


@pytest.mark.parametrize(
    "script",
    [
        "vllm serve m --logprobs-mode raw_logprobs\n",
        "trl vllm-serve --model m\n",
        "vllm bench throughput --model m\n",
    ],
)
def test_other_commands_are_left_alone(tmp_path: Path, script: str) -> None:
    assert rewritten(tmp_path, script) == script


def test_server_nobody_trains_on_is_left_alone(tmp_path: Path) -> None:
    client = CLIENT.replace("    loss.backward()\n    optimizer.step()\n", "    return loss\n")
    script = "vllm serve m\n"
    assert rewritten(tmp_path, script, client) == script


def test_server_nobody_asks_for_them_is_left_alone(tmp_path: Path) -> None:
    script = "vllm serve judge\n"
    local = CLIENT.replace('client.completions.create(model="m", prompt=[1], logprobs=1)', "client(1)")
    assert rewritten(tmp_path, script, local) == script
