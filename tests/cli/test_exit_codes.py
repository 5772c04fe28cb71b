from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import samples

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "clean": {"a.py": samples.CLEAN},
    "safe": {"a.py": samples.SAFE},
    "manual": {"a.py": samples.MANUAL},
    "warning": {"requirements.txt": samples.WARNING},
    "note": {"run.sh": samples.NOTE},
    "broken": {"a.py": samples.BROKEN},
    "broken and safe": {"a.py": samples.BROKEN, "b.py": samples.SAFE},
    "nothing": {},
    "empty file": {"a.py": "", "b.sh": "", "c.yaml": "", "requirements.txt": "", "pyproject.toml": ""},
    "bad configuration": {"pyproject.toml": "[tool.vllm-migrate]\nselct = []\n"},
}

TABLE = [
    ("nothing", "check", 0),
    ("empty file", "check", 0),
    ("clean", "check", 0),
    ("safe", "check", 1),
    ("manual", "check", 1),
    ("warning", "check", 1),
    ("warning", "check --fail-on error", 0),
    ("safe", "check --fail-on error", 1),
    ("note", "check", 0),
    ("note", "check --fail-on note", 1),
    ("broken", "check", 2),
    ("broken and safe", "check", 2),
    ("safe", "check --ignore VM2", 0),
    ("safe", "check --select VM9", 0),
    ("safe", "check --ignore VM2 --select VM201", 1),
    ("nothing", "check missing", 2),
    ("nothing", "check --no-such-option", 2),
    ("nothing", "check --from banana", 2),
    ("nothing", "check --to 0.8.5", 2),
    ("nothing", "check --fail-on loud", 2),
    ("safe", "check --select XX1", 2),
    ("bad configuration", "check", 2),
    ("nothing", "chek", 2),
    ("nothing", "rewrite", 0),
    ("clean", "rewrite", 0),
    ("safe", "rewrite --diff", 1),
    ("safe", "rewrite", 0),
    ("clean", "rewrite --diff", 0),
    ("manual", "rewrite", 1),
    ("warning", "rewrite", 1),
    ("warning", "rewrite --unsafe-fixes", 0),
    ("warning", "rewrite --unsafe-fixes --diff", 1),
    ("note", "rewrite", 0),
    ("broken and safe", "rewrite", 2),
    ("nothing", "rule", 0),
    ("nothing", "rule VM201", 0),
    ("nothing", "rule VM000", 2),
    ("nothing", "--help", 0),
    ("nothing", "--version", 0),
    ("nothing", "check --help", 0),
    ("nothing", "", 0),
]


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / name).write_text(text)


@pytest.mark.parametrize(("files", "command", "code"), TABLE)
def test_exit_code(run, project: Path, files: str, command: str, code: int) -> None:
    write(project, FILES[files])
    done = run(*command.split())
    assert done.code == code, done
    if code == 2 and "broken" not in files:
        assert done.err.startswith("error: ")
        assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("files", "command", "code"), [row for row in TABLE if row[1].startswith(("check", "rewrite"))]
)
def test_the_same_code_for_json_and_json_whatever_happens(
    run, project: Path, files: str, command: str, code: int
) -> None:
    write(project, FILES[files])
    args = [*command.split(), "--output-format", "json"]
    done = run(*args)
    if "--no-such-option" in command or "--fail-on loud" in command or "--help" in command:
        return  # the options can't be read, so that nobody knows the format
    assert done.code == code
    value = json.loads(done.out)
    assert {
        "schema",
        "tool",
        "target",
        "source",
        "findings",
        "skipped",
        "diagnostics",
        "summary",
        "reason",
    } <= set(value)
    assert bool(value["reason"]) == (code == 2)


def test_a_file_that_can_t_be_read_is_said_and_exits_2(run, project: Path) -> None:
    (project / "a.py").symlink_to("/proc/self/mem")  # opens, but reading it fails, for root too
    (project / "b.py").write_text(samples.SAFE)
    done = run("check", "a.py", "b.py", "--output-format", "json")
    assert done.code == 2
    value = json.loads(done.out)
    assert [d["code"] for d in value["diagnostics"]] == ["VM001"]
    assert [f["path"] for f in value["findings"]] == ["b.py"]
    assert value["reason"] == "unjudged"


def test_non_utf_8_python_is_said(run, project: Path) -> None:
    (project / "a.py").write_bytes(samples.SAFE.encode() + b"# caf\xe9\n")
    (project / "b.py").write_bytes(b"# coding: latin-1\n# caf\xe9\n" + samples.SAFE.encode())
    done = run("check")
    assert done.code == 2
    assert "a.py" in done.out
    assert "VM002" in done.out
    assert "b.py:7:" in done.out
