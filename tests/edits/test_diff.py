"""Diffs that git itself applies."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vllm_migrate.edits.diff import unified_diff

LINES = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n", b" \n", b"\xff\n", b"\x0c\n"]), max_size=24
)
GIT = shutil.which("git")
needs_git = pytest.mark.skipif(GIT is None, reason="git judges the diffs")


def applied(name: str, before: bytes, diff: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(before)
        command = [str(GIT), "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
        subprocess.run(command, input=diff, cwd=folder, check=True)
        return file.read_bytes()


@needs_git
@settings(max_examples=40, deadline=None)
@given(LINES, LINES, st.booleans(), st.booleans())
def test_git_applies_it(before, after, cut_before, cut_after):
    old = b"".join(before)[: -1 if cut_before else None]
    new = b"".join(after)[: -1 if cut_after else None]
    if old and new and old != new:
        assert applied("a.py", old, unified_diff(PurePosixPath("a.py"), old, new)) == new


@needs_git
@pytest.mark.parametrize("name", ["with space.py", "ünïcode.py", 'quo"te.py', "back\\slash.py"])
def test_git_applies_it_to_odd_names(name):
    assert applied(name, b"a\n", unified_diff(PurePosixPath(name), b"a\n", b"b\n")) == b"b\n"


def test_its_form():
    old = b"1\n2\n3\n4\n5\n6\n7\n8\n9"
    new = b"1\n2\n3\n4\n5\n6\n7\n8\nnine"
    assert unified_diff(PurePosixPath("p/a.py"), old, new) == (
        b"--- a/p/a.py\n+++ b/p/a.py\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n\\ No newline at end of file\n"
        b"+nine\n\\ No newline at end of file\n"
    )


def test_no_change_no_diff():
    assert unified_diff(PurePosixPath("a.py"), b"a", b"a") == b""
