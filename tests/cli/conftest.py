from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `samples` and `children`

from children import COMMAND, environment

from vllm_migrate.cli.app import run as run_command


@dataclass
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, with no colour and no configuration above it."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def run(project: Path, capfdbinary: pytest.CaptureFixture[bytes]):
    """Runs the command line in this process."""
    assert project.is_dir()

    def call(*args: object) -> Done:
        code = run_command([str(arg) for arg in args])
        out, err = capfdbinary.readouterr()
        return Done(int(code), out.decode(), err.decode())

    return call


@pytest.fixture
def start(tmp_path: Path):
    """Starts the command line in a process and a directory of its own, with an engine cache that is empty."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(VLLM_MIGRATE_CACHE=str(tmp_path / "cache"), NO_COLOR="1"),
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    return call
