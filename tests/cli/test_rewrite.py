from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest
import samples

if TYPE_CHECKING:
    from pathlib import Path

SHELL = """\
#!/bin/bash
export VLLM_USE_V1=0 # old engine
A=1 VLLM_USE_V1=0 CUDA=1 python x.py
if true; then
  export VLLM_USE_V1=0
fi
ARGS=(
  --swap-space 4  # gigabytes
  --port 3
)
vllm serve model \\
    --enforce-eager \\
    --use-v2-block-manager --num-scheduler-steps 8 "${ARGS[@]}" \\
    --swap-space 4 \\
    --max-seq-len-to-capture=8192
python -m verl.trainer.main_ppo \\
  actor_rollout_ref.rollout.name=vllm \\
  +actor_rollout_ref.rollout.engine_kwargs.vllm.swap_space=4 # last
echo done
"""
SHELL_AFTER = """\
#!/bin/bash
A=1 CUDA=1 python x.py
if true; then
  :
fi
ARGS=(
  --port 3
)
vllm serve model \\
    --enforce-eager "${ARGS[@]}"
python -m verl.trainer.main_ppo \\
  actor_rollout_ref.rollout.name=vllm # last
echo done
"""
YAML = """\
# verl
actor:
  engine_kwargs:
    vllm:
      swap_space: null  # none
runtime_env:
  env_vars:
    VLLM_USE_V1: "0"  # old
    A: "1"
run: |
  vllm serve m \\
    --swap-space 4
"""
YAML_AFTER = """\
# verl
actor:
  engine_kwargs:
    vllm: {}
runtime_env:
  env_vars:
    A: "1"
run: |
  vllm serve m
"""
FILES = {
    "a.py": (samples.SAFE, samples.SAFE_AFTER),
    "run.sh": (SHELL, SHELL_AFTER),
    "c.yaml": (YAML, YAML_AFTER),
    "setup.py": (
        'from setuptools import setup\n\nsetup(name="x", install_requires=["vllm==0.8.5", "torch"])\n',
        'from setuptools import setup\n\nsetup(name="x", install_requires=["vllm==0.32.0", "torch"])\n',
    ),
    "requirements.txt": ("vllm==0.8.5  # pinned\ntorch\n", "vllm==0.32.0  # pinned\ntorch\n"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["lf", "crlf", "bom", "no final newline"])
def test_rewrites_only_what_it_says_and_settles(run, project: Path, name: str, form: str) -> None:
    if name.endswith(".sh") and form in ("crlf", "bom"):
        pytest.skip("a shell reads neither")

    def written(text: str) -> bytes:
        data = text.encode()
        data = data.replace(b"\n", b"\r\n") if form == "crlf" else data
        data = b"\xef\xbb\xbf" + data if form == "bom" else data
        return data[:-1] if form == "no final newline" else data

    before, after = FILES[name]
    (project / name).write_bytes(written(before))
    done = run("rewrite", "--unsafe-fixes")
    assert (project / name).read_bytes() == written(after), done.out
    again = run("rewrite", "--unsafe-fixes")
    assert "no edit to make" in again.err
    assert (project / name).read_bytes() == written(after)
    assert run("rewrite", "--unsafe-fixes", "--diff").out == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash to judge scripts")
def test_the_rewritten_script_is_valid(run, project: Path) -> None:
    (project / "run.sh").write_text(SHELL)
    run("rewrite", "--unsafe-fixes")
    subprocess.run(["bash", "-n", "run.sh"], cwd=project, check=True)  # noqa: S607 - bash, found


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to apply patches")
def test_the_diff_can_be_applied(run, project: Path) -> None:
    for name, (before, _) in FILES.items():
        (project / name).write_text(before)
    done = run("rewrite", "--unsafe-fixes", "--diff")
    assert done.code == 1
    for name, (before, _) in FILES.items():
        assert (project / name).read_text() == before
    subprocess.run(["git", "apply"], cwd=project, input=done.out.encode(), check=True)  # noqa: S607 - git, found
    by_git = {name: (project / name).read_text() for name in FILES}
    for name, (before, _) in FILES.items():
        (project / name).write_text(before)
    run("rewrite", "--unsafe-fixes")
    assert {name: (project / name).read_text() for name in FILES} == by_git


def test_a_safe_run_leaves_unsafe_edits_alone(run, project: Path) -> None:
    (project / "requirements.txt").write_text("vllm==0.8.5\n")
    done = run("rewrite")
    assert (project / "requirements.txt").read_text() == "vllm==0.8.5\n"
    assert "1 more with --unsafe-fixes" in done.err
    (project / "vllm-migrate.toml").write_text("unsafe-fixes = true\n")
    run("rewrite")
    assert (project / "requirements.txt").read_text() == "vllm==0.32.0\n"


def test_json(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    (project / "b.py").write_text(samples.MANUAL)
    done = run("rewrite", "--output-format", "json")
    value = json.loads(done.out)
    assert [f["path"] for f in value["findings"]] == ["b.py"]
    assert [f["code"] for f in value["applied"]] == ["VM201"]
    assert value["summary"]["applied"] == 1


def test_places_of_what_remains_are_those_of_the_written_file(run, project: Path) -> None:
    (project / "run.sh").write_text("export VLLM_USE_V1=0\n" + samples.NOTE)
    done = run("rewrite", "--output-format", "json")
    assert [f["line"] for f in json.loads(done.out)["findings"]] == [1]


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS])
def test_a_write_that_fails_leaves_the_file(
    run, project: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    (project / "a.py").write_text(samples.SAFE)
    (project / "b.py").write_text(samples.MANUAL)

    def full(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    done = run("rewrite", "--output-format", "json")
    assert done.code == 2
    assert (project / "a.py").read_text() == samples.SAFE
    value = json.loads(done.out)
    assert value["reason"] == "write-failed"
    assert [(d["code"], d["path"]) for d in value["diagnostics"]] == [("VM003", "a.py")]
    assert sorted(path.name for path in project.iterdir()) == ["a.py", "b.py"]


def test_a_write_that_breaks_off_leaves_the_file(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "a.py").write_text(samples.SAFE)

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails)
    assert run("rewrite").code == 2
    assert (project / "a.py").read_text() == samples.SAFE
    assert [path.name for path in project.iterdir()] == ["a.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_left_and_said(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    (project / "a.py").chmod(0o444)
    done = run("rewrite")
    assert done.code == 2
    assert "not writable" in done.out
    assert (project / "a.py").read_text() == samples.SAFE


def test_a_link_stays_one_and_the_mode_is_kept(run, project: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.py"
    real.write_text(samples.SAFE)
    real.chmod(0o750)
    (project / "a.py").symlink_to(real)
    assert run("rewrite", "a.py").code == 0
    assert (project / "a.py").is_symlink()
    assert real.read_text() == samples.SAFE_AFTER
    assert real.stat().st_mode & 0o777 == 0o750


def test_ignored_files_are_left(run, project: Path) -> None:
    for name in ("a.py", "gen.py"):
        (project / name).write_text(samples.SAFE)
    (project / ".gitignore").write_text("gen.py\n")
    run("rewrite")
    assert (project / "a.py").read_text() == samples.SAFE_AFTER
    assert (project / "gen.py").read_text() == samples.SAFE


def test_a_template_is_left_and_said(run, project: Path) -> None:
    (project / "c.yaml").write_text("{% if x %}\nvllm:\n  swap_space: 4\n{% endif %}\n")
    done = run("rewrite", "--unsafe-fixes")
    assert done.code == 2
    assert "VM002" in done.out
    assert "a template" in done.out
