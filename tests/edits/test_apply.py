"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from vllm_migrate.edits.apply import write_atomically
from vllm_migrate.errors import InputError


def test_it_writes_and_keeps_the_mode(tmp_path):
    file = tmp_path / "run.py"
    file.write_bytes(b"old\r\n")
    file.chmod(0o751)
    write_atomically(file, b"old\r\n", b"new\r\n")
    assert file.read_bytes() == b"new\r\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o751
    assert [p.name for p in tmp_path.iterdir()] == ["run.py"]


def test_a_file_that_changed_since_is_left_alone(tmp_path):
    file = tmp_path / "run.py"
    file.write_bytes(b"someone else's\n")
    with pytest.raises(InputError, match="changed"):
        write_atomically(file, b"old\n", b"new\n")
    assert file.read_bytes() == b"someone else's\n"


def test_a_link_stays_a_link(tmp_path):
    file = tmp_path / "real.py"
    file.write_bytes(b"old\n")
    link = tmp_path / "link.py"
    link.symlink_to(file)
    write_atomically(link, b"old\n", b"new\n")
    assert link.is_symlink()
    assert file.read_bytes() == b"new\n"


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        write_atomically(tmp_path / "gone.py", b"", b"new\n")


def test_a_failing_write_leaves_the_file_and_no_trace(tmp_path, monkeypatch):
    file = tmp_path / "run.py"
    file.write_bytes(b"old\n")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space left"):
        write_atomically(file, b"old\n", b"new\n")
    assert file.read_bytes() == b"old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["run.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file_is_an_input_error(tmp_path):
    file = tmp_path / "run.py"
    file.write_bytes(b"old\n")
    file.chmod(0o444)
    with pytest.raises(InputError, match="not writable"):
        write_atomically(file, b"old\n", b"new\n")
    assert file.read_bytes() == b"old\n"
