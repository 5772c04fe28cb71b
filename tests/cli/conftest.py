from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from vllm_migrate.cli.app import run as run_command

sys.path.insert(0, str(Path(__file__).parent))  # for `samples` and `children`


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
