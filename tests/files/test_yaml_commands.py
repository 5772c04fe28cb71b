"""Commands of docker-compose and Kubernetes, and what Hydra builds: what is found and what can go."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.files.yaml import read_yaml

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

IMAGE = "image: vllm/vllm-openai:v0.8.5"


def read(text: str) -> FileFacts:
    return read_yaml(PurePosixPath("compose.yaml"), text.encode())


def container(text: str) -> str:
    return "services:\n  one:\n" + indent(text.lstrip("\n"), "    ")


def without(text: str, name: str = "swap_space") -> str:
    """The file with one flag taken out as a rule takes it out."""
    facts = read(text)
    (argument,) = [found for found in facts.arguments if found.name == name]
    assert argument.items is not None
    assert not argument.fixed
    return text[: argument.items.start] + text[argument.items.end :]


LISTS = {
    "flow": (
        f'{IMAGE}\ncommand: ["--model", "m", "--swap-space", "4", "--seed", "1"]\n',
        f'{IMAGE}\ncommand: ["--model", "m", "--seed", "1"]\n',
    ),
    "flow, at the end": (
        f"{IMAGE}\ncommand: [--model, m, --swap-space, 4]\n",
        f"{IMAGE}\ncommand: [--model, m]\n",
    ),
    "flow, over lines": (
        'command: ["vllm", "serve", "m",\n          "--swap-space", "4",\n          "--seed", "1"]\n',
        'command: ["vllm", "serve", "m",\n          "--seed", "1"]\n',
    ),
    "block": (
        f"{IMAGE}\ncommand:\n  - --model\n  - m\n  - --swap-space\n  - '4'\n  # seeded\n  - --seed=1\n",
        f"{IMAGE}\ncommand:\n  - --model\n  - m\n  # seeded\n  - --seed=1\n",
    ),
    "block, one word": (
        f"{IMAGE}\ncommand:\n- --swap-space=4\n- --seed=1\n",
        f"{IMAGE}\ncommand:\n- --seed=1\n",
    ),
    "command and args": (
        "command: [vllm, serve]\nargs:\n- m\n- --swap-space\n- '4'\n",
        "command: [vllm, serve]\nargs:\n- m\n",
    ),
    "python -m": (
        'command: [python3, -m, vllm.entrypoints.api_server]\nargs: ["--swap-space", "4", "--port", "1"]\n',
        'command: [python3, -m, vllm.entrypoints.api_server]\nargs: ["--port", "1"]\n',
    ),
    "entrypoint and command": (
        "entrypoint: [vllm, serve]\ncommand: [m, --swap-space, 4, --seed, 1]\n",
        "entrypoint: [vllm, serve]\ncommand: [m, --seed, 1]\n",
    ),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lists_of_words(name: str, newline: str) -> None:
    before, after = (container(text).replace("\n", newline) for text in LISTS[name])
    assert without(before) == after


@pytest.mark.parametrize(
    "text",
    [
        f"{IMAGE}\ncommand: --model m --swap-space 4\n",
        f"{IMAGE}\ncommand: >-\n  --model m\n  --swap-space 4\n",
        f"{IMAGE}\ncommand: --model m\n  --swap-space 4\n",
        "command: vllm serve m --swap-space 4\n",
        "command: >\n  vllm serve m\n  --swap-space 4\n",
        "command: |\n  vllm serve m \\\n    --swap-space 4\n",
        'command: ["sh", "-c", "vllm serve m --swap-space 4"]\n',
        "command:\n- sh\n- -c\n- vllm serve m --swap-space 4\n",
        "args:\n- |\n  vllm serve m \\\n    --swap-space 4\n",
    ],
)
def test_commands_in_one_text(text: str) -> None:
    facts = read(container(text))
    assert [(a.name, a.value.literal) for a in facts.arguments if a.name == "swap_space"] == [
        ("swap_space", "4")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "image: other/server\ncommand: [--swap-space, 4]\n",
        "image: other/server\nargs: --swap-space 4\n",
        f'{IMAGE}\nentrypoint: [other]\ncommand: ["--swap-space", "4"]\n',
        "command: [other, serve]\nargs: [--swap-space, 4]\n",
    ],
)
def test_commands_of_other_programs(text: str) -> None:
    assert read(container(text)).arguments == ()


def test_what_hydra_builds() -> None:
    facts = read(
        "llm:\n  _target_: vllm.LLM\n  model: m\n  swap_space: 4\n"
        "sampling:\n  _target_: vllm.SamplingParams\n  best_of: 2\n"
        "other:\n  _target_: my.LLM\n  swap_space: 1\n"
    )
    found = [(a.owner, a.name, a.value.literal) for a in facts.arguments]
    assert found == [("engine", "model", "m"), ("engine", "swap_space", 4), ("sampling", "best_of", 2)]


def test_keys_that_code_hands_on() -> None:
    text = "generator:\n  model: m\n  swap_space: 4\nother:\n  swap_space: 1\n"
    facts = read_yaml(PurePosixPath("c.yaml"), text.encode(), {("generator",): "engine"})
    assert [(a.owner, a.name) for a in facts.arguments] == [("engine", "model"), ("engine", "swap_space")]
