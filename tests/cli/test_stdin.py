from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import samples

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def pipe(run, monkeypatch: pytest.MonkeyPatch):
    """Runs the command line with something in standard input."""

    def call(content: str | bytes, *args: object):
        data = content.encode() if isinstance(content, str) else content
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return run(*args)

    return call


def test_check_by_name(pipe, project: Path) -> None:
    done = pipe(samples.SAFE, "check", "-", "--stdin-filename", "src/a.py")
    assert done.code == 1
    assert "src/a.py:5:21  VM201" in done.out
    assert pipe(samples.CLEAN, "check", "-").code == 0
    assert "stdin.py:5:" in pipe(samples.SAFE, "check", "-").out
    assert list(project.iterdir()) == []


def test_the_name_says_what_kind_it_is(pipe, project: Path) -> None:
    assert project.is_dir()
    assert (
        "run.sh:1:14  VM201"
        in pipe("vllm serve m --swap-space 4\n", "check", "-", "--stdin-filename", "run.sh").out
    )
    done = pipe("x\n", "check", "-", "--stdin-filename", "x.tar")
    assert done.code == 2
    assert "not a kind of file" in done.err


def test_it_stands_for_the_file_on_disk(pipe, project: Path) -> None:
    (project / "a.py").write_text(samples.CLEAN)
    (project / "vllm-migrate.toml").write_text('ignore = ["VM3"]\n')
    value = json.loads(
        pipe(samples.SAFE, "check", "-", "--stdin-filename", "a.py", "--output-format", "json").out
    )
    assert [f["code"] for f in value["findings"]] == ["VM201"]
    assert pipe(samples.SAFE, "check", "-", "--stdin-filename", "a.py", "--ignore", "VM2").code == 0


def test_rewrite_writes_the_file_to_stdout_and_nothing_else(pipe, project: Path) -> None:
    (project / "a.py").write_text("on disk\n")
    done = pipe(samples.SAFE, "rewrite", "-", "--stdin-filename", "a.py")
    assert (done.code, done.out) == (0, samples.SAFE_AFTER)
    assert "VM201" not in done.out
    assert (project / "a.py").read_text() == "on disk\n"


@pytest.mark.parametrize(
    ("content", "code"), [(samples.CLEAN, 0), (samples.MANUAL, 1), (samples.BROKEN, 2), ("", 0)]
)
def test_rewrite_gives_back_what_it_leaves(pipe, content: str, code: int) -> None:
    done = pipe(content, "rewrite", "-")
    assert (done.code, done.out) == (code, content)
    assert ("VM" in done.err) is (code > 0)


def test_bytes_go_through_as_they_are(project: Path) -> None:
    source = b"\xef\xbb\xbf# caf\xc3\xa9 \x0c\r\n" + samples.SAFE.replace("\n", "\r\n").encode()
    done = subprocess.run(
        [sys.executable, "-m", "vllm_migrate", "rewrite", "-"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": ROOT, "PYTHONIOENCODING": "ascii"},
        input=source,
        capture_output=True,
        check=True,
    )
    assert done.stdout == source.replace(b"swap_space=16, ", b"")


def test_a_diff_of_it(pipe, project: Path) -> None:
    done = pipe(samples.SAFE, "rewrite", "-", "--stdin-filename", "a.py", "--diff")
    assert done.code == 1
    assert done.out.startswith("--- a/a.py\n+++ b/a.py\n")
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    "args",
    [
        ("check", "-", "a.py"),
        ("check", "--stdin-filename", "a.py"),
        ("check", "-", "--diff-base", "HEAD"),
        ("rewrite", "-", "--output-format", "json"),
    ],
)
def test_what_makes_no_sense(pipe, args: tuple[str, ...]) -> None:
    done = pipe(samples.CLEAN, *args)
    assert done.code == 2
    assert done.err.startswith("error: ")
