"""The GitHub action's script and the pre-commit hooks' commands, run as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import samples

ROOT = Path(__file__).parents[2]
ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
DOCS = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def scripts() -> list[str]:
    return [textwrap.dedent(match) for match in re.findall(r"run: \|\n((?: {8}.*\n)+)", ACTION)]


@pytest.fixture
def act(project: Path, tmp_path: Path):
    """Runs the action's check as a runner does, with this environment's tool where it would be installed."""
    bin_folder = tmp_path / "vllm-migrate" / "bin"
    bin_folder.mkdir(parents=True)
    tool = bin_folder / "vllm-migrate"
    tool.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m vllm_migrate "$@"\n')
    tool.chmod(0o755)

    def call(**inputs: str) -> tuple[int, str, str]:
        output = tmp_path / "output"
        names = ("PATHS", "FORMAT", "OUTPUT_FILE", "DIFF_BASE", "FAIL_ON", "ARGS")
        given = dict.fromkeys(names, "") | {"PATHS": ".", "FORMAT": "github"} | inputs
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", scripts()[1]],  # noqa: S607 - bash, found
            cwd=project,
            env={**os.environ, **given, "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(output)},
            capture_output=True,
            check=False,
            text=True,
        )
        return done.returncode, done.stdout, output.read_text()

    return call


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@needs_bash
@pytest.mark.parametrize(("text", "code"), [(samples.CLEAN, 0), (samples.SAFE, 1), (samples.BROKEN, 2)])
def test_the_action_ends_as_the_check_does_and_says_how(act, project: Path, text: str, code: int) -> None:
    (project / "a.py").write_text(text)
    left, out, output = act()
    assert (left, output) == (code, f"exit-code={code}\n")
    assert out.startswith("::error") is (code > 0)


@needs_bash
def test_the_action_s_inputs_are_words_never_code(act, project: Path) -> None:
    (project / "a b.py").write_text(samples.SAFE)
    (project / "c.py").write_text(samples.SAFE)
    left, _, _ = act(
        PATHS="a b.py\n\nc.py\n", FORMAT="json", OUTPUT_FILE="out.json", ARGS="--ignore\nVM3", FAIL_ON="error"
    )
    assert left == 1
    assert len(json.loads((project / "out.json").read_text())["findings"]) == 2
    left, _, _ = act(PATHS="$(touch owned)\n`touch owned`", ARGS="--quiet; touch owned")
    assert left == 2
    assert not (project / "owned").exists()


def test_the_action_reads_no_input_inside_a_script() -> None:
    assert len(scripts()) == 2
    assert all("${{" not in script for script in scripts())


def test_the_hooks_commands_run(run, project: Path) -> None:
    entries = re.findall(r"entry: vllm-migrate (.+)", HOOKS)
    assert len(entries) == 2
    for entry in entries:
        (project / "a.py").write_text(samples.SAFE)
        done = run(*entry.split(), "--fail-on", "error")
        assert done.code == (0 if entry.startswith("rewrite") else 1)


def test_what_the_documentation_types_is_there(run) -> None:
    told = set(re.findall(r"vllm-migrate (check|rewrite|baseline)((?: [^\n`|#<>]+)?)", DOCS))
    assert len(told) > 5
    for command, arguments in told:
        help_text = run(command, "--help").out
        for option in re.findall(r"--[a-z-]+", arguments):
            assert option in help_text, (command, option)
    inputs = set(re.findall(r"^  ([a-z-]+):$", ACTION.partition("outputs:")[0], re.MULTILINE))
    for block in re.findall(r"vllm-migrate@main\n((?: {8,}.*\n)+)", DOCS):
        used = set(re.findall(r"^ {10}([a-z-]+):", block, re.MULTILINE))
        assert used <= inputs
