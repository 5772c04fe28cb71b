"""Servers started from Python: what rewrite makes of their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LONG = """\
import subprocess

subprocess.Popen(
    [
        "vllm",
        "serve",
        "m",  # the model
        # room for what is preempted
        "--swap-space",
        "4",  # GiB
        # where it listens
        "--port", "8000",
    ]
)
"""
LONG_AFTER = LONG.replace('        "--swap-space",\n        "4",  # GiB\n', "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, LONG_AFTER),
        ("run(['vllm', 'serve', 'm', '--swap-space', '4'])\n", "run(['vllm', 'serve', 'm'])\n"),
        ("run(('vllm', 'serve', '--swap-space', '4', 'm'))\n", "run(('vllm', 'serve', 'm'))\n"),
        ("run(['vllm', 'serve', 'm'] + ['--swap-space=4'])\n", "run(['vllm', 'serve', 'm'] + [])\n"),
        ("cmd = 'vllm', 'serve', 'm', '--swap-space', n\n", "cmd = 'vllm', 'serve', 'm'\n"),
        (
            "run(['vllm', 'serve', 'm', '--guided-decoding-backend', \"xgrammar\"])\n",
            "run(['vllm', 'serve', 'm', '--structured-outputs-config', '{\"backend\": \"xgrammar\"}'])\n",
        ),
        ("os.system('vllm serve m --swap-space 4 --seed 1')\n", "os.system('vllm serve m --seed 1')\n"),
        (
            "run(f'vllm serve {m} --swap-space {n + 1} --seed 1', shell=True)\n",
            "run(f'vllm serve {m} --seed 1', shell=True)\n",
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_rewritten(run, project: Path, before: str, after: str, newline: str) -> None:
    file = project / "launch.py"
    file.write_bytes(before.replace("\n", newline).encode())
    run("rewrite", ".", "--allow-dirty")
    assert file.read_bytes() == after.replace("\n", newline).encode()
    again = file.read_bytes()
    run("rewrite", ".", "--allow-dirty")
    assert file.read_bytes() == again


def test_what_can_not_be_edited_is_said_with_what_to_do(run, project: Path) -> None:
    text = "cmd = ['vllm', 'serve', 'm']\ncmd.append('--swap-space')\ncmd.append('4')\n"
    (project / "launch.py").write_text(text)
    done = run("rewrite", ".", "--allow-dirty")
    assert done.code == 1
    assert "remove --swap-space" in done.out
    assert (project / "launch.py").read_text() == text
