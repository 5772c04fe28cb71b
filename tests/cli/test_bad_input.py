"""Files that can't be judged: one clear line each, exit 2, and the run goes on without them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from samples import SAFE, SAFE_AFTER

from vllm_migrate.files.discover import MAX_BYTES

if TYPE_CHECKING:
    from pathlib import Path

CALL = "from vllm import LLM\n"
BAD: dict[str, tuple[str, bytes]] = {
    "syntax error": ("a.py", b"from vllm import LLM\nLLM('m',\n"),
    "Python 2": ("a.py", b"from vllm import LLM\nprint 'x'\n"),
    "binary": ("a.py", bytes(range(256)) * 8),
    "null byte": ("a.py", b"from vllm import LLM\n\0\n"),
    "UTF-16": ("a.py", CALL.encode("utf-16")),
    "not the declared encoding": ("a.py", b"from vllm import LLM\nx = '\xe9'\n"),
    "unknown encoding": ("a.py", b"# coding: nothing\nfrom vllm import LLM\n"),
    "huge": ("a.py", CALL.encode() + b"# x\n" * (MAX_BYTES // 3)),
    "brackets": ("a.py", CALL.encode() + b"x = " + b"(" * 5000 + b"1" + b")" * 5000),
    "operators": ("a.py", CALL.encode() + b"x = " + b"-" * 20000 + b"1\n"),
    "sums": ("a.py", CALL.encode() + b"x = " + b"+".join([b"1"] * 20000) + b"\n"),
    "attributes": ("a.py", CALL.encode() + b"x = a" + b".b" * 20000 + b"\n"),
    "names for names": (
        "a.py",
        b"from vllm import LLM\nx0 = LLM\n"
        + b"".join(b"x%d = x%d\n" % (n + 1, n) for n in range(5000))
        + b"x5000(swap_space=4)\n",
    ),
    "notebook, no JSON": ("a.ipynb", b'{"cells": [ vllm'),
    "notebook, no cells": ("a.ipynb", b'["vllm"]'),
    "notebook, wrong schema": ("a.ipynb", b'{"cells": "vllm", "nbformat": 4, "nbformat_minor": 5}'),
    "notebook, no source": (
        "a.ipynb",
        b'{"cells": [{"cell_type": "code", "source": 5, "x": "vllm"}], "nbformat": 4, "nbformat_minor": 5}',
    ),
    "notebook, deep": ("a.ipynb", b'{"x": "vllm", "cells": ' + b"[" * 99999 + b"]" * 99999 + b"}"),
    "notebook, syntax error": (
        "a.ipynb",
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "execution_count": 1,
                        "metadata": {},
                        "outputs": [],
                        "source": ["from vllm import LLM\n", "LLM("],
                    }
                ],
                "metadata": {},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        ).encode(),
    ),
    "YAML, open bracket": ("a.yaml", b"vllm: {x\n"),
    "YAML, tab": ("a.yaml", b"vllm:\n\tswap_space: 4\n"),
    "YAML, deep": ("a.yaml", b"vllm: " + b"[" * 20000 + b"]" * 20000),
    "YAML, indented deeply": ("a.yaml", b"".join(b" " * n + b"vllm:\n" for n in range(1000))),
    "YAML, binary": ("a.yaml", b"vllm: \0\n"),
    "shell, open quote": ("a.sh", b'vllm serve "m\n'),
    "Dockerfile": ("Dockerfile", b'FROM x\nRUN vllm serve "m\n'),
    "TOML": ("pyproject.toml", b"[project\nname = 'vllm'\n"),
    "setup.cfg": ("setup.cfg", b"install_requires = vllm\n"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", [("check",), ("rewrite", "--allow-dirty")], ids=lambda words: words[0])
def test_one_line_exit_2_and_the_run_goes_on(run, project: Path, name: str, command: tuple[str, ...]) -> None:
    file, content = BAD[name]
    (project / file).write_bytes(content)
    (project / "good.py").write_text(SAFE)
    done = run(*command, "--output-format", "json")
    assert done.code == 2
    assert "defect" not in done.err
    report = json.loads(done.out)
    (said,) = report["diagnostics"]
    assert said["path"] == file
    assert said["code"] in ("VM001", "VM002")
    assert 10 < len(said["message"]) < 200
    assert "\n" not in said["message"]
    assert (project / file).read_bytes() == content
    assert (project / "good.py").read_text() == (SAFE if command[0] == "check" else SAFE_AFTER)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("large.py", b"x = 1\n" * MAX_BYTES),
        ("large.yaml", b"x: 1\n" * MAX_BYTES),
        ("empty.py", b""),
        ("empty.ipynb", b""),
        ("other.ipynb", b"{"),
        ("other.yaml", b"\tx: {\n"),
        ("other.py", b"print 'x'\n"),
        ("deep.sh", b"vllm serve " + b"$(" * 20000 + b")" * 20000),
    ],
)
def test_what_names_nothing_of_vllm_s_need_not_be_readable(
    run, project: Path, name: str, content: bytes
) -> None:
    (project / name).write_bytes(content)
    (project / "good.py").write_text(SAFE_AFTER)
    assert run("check", ".").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(run, project: Path) -> None:
    (project / "a.py").write_text(SAFE)
    (project / "a.py").chmod(0)
    assert run("check", ".").code == 2


def test_a_link_to_itself_and_a_file_that_is_not_there(run, project: Path) -> None:
    """Unreadable for root, too."""
    (project / "good.py").write_text(SAFE)
    (project / "loop.py").symlink_to(project / "loop.py")
    done = run("check", ".", "--output-format", "json")
    assert done.code == 1
    assert json.loads(done.out)["skipped"] == [{"path": "loop.py", "reason": "a link to nothing"}]
    assert run("check", "loop.py").code == 2
    assert run("check", "nothing.py").code == 2


def test_links_that_loop_or_leave(run, project: Path) -> None:
    (project.parent / "outside.py").write_text(SAFE)
    (project / "good.py").write_text(SAFE)
    (project / "again.py").symlink_to("good.py")
    (project / "loop").symlink_to(".", target_is_directory=True)
    (project / "out.py").symlink_to("../outside.py")
    (project / "up").symlink_to("..", target_is_directory=True)
    done = run("rewrite", ".", "--allow-dirty", "-v")
    assert done.code == 0
    assert (project / "good.py").read_text() == SAFE_AFTER
    assert (project / "again.py").is_symlink()
    assert (project.parent / "outside.py").read_text() == SAFE
    for name in ("loop", "out.py", "up"):
        assert f"skipped {name}:" in done.out + done.err


def test_paths_outside_the_working_directory(run, project: Path) -> None:
    (project.parent / "other").mkdir()
    (project.parent / "other" / "a.py").write_text(SAFE)
    assert run("check", "../other").code == 1
    assert run("rewrite", "../other", "--allow-dirty").code == 0
    assert (project.parent / "other" / "a.py").read_text() == SAFE_AFTER
