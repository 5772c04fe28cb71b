from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import samples
from children import COMMAND, environment

from vllm_migrate.cli import check as check_module
from vllm_migrate.rules import scan as scan_module

if TYPE_CHECKING:
    from pathlib import Path


def test_results_on_stdout_and_the_rest_on_stderr(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    done = run("check")
    assert "a.py:5:21  VM201 gone-engine-argument  [safe]" in done.out
    assert '    5 |     return LLM("m", swap_space=16, seed=1)'.strip() in done.out
    assert "can be fixed by `vllm-migrate rewrite`" in done.err
    assert "VM201" not in done.err
    assert "\x1b" not in done.out + done.err


def test_quiet(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    done = run("check", "-q")
    assert done.err == ""
    assert done.out.startswith("a.py:")


def test_json_keys_are_exact(run, project: Path) -> None:
    (project / "a.py").write_text("# é\n" + samples.SAFE)
    done = run("check", "--output-format", "json")
    value = json.loads(done.out)
    assert set(value) == {
        "schema", "tool", "target", "source", "subprojects", "findings", "skipped", "diagnostics", "baseline",
        "summary", "reason",
    }  # fmt: skip
    (finding,) = value["findings"]
    assert set(finding) == {
        "code", "name", "path", "line", "column", "end_line", "end_column", "level", "safety", "message",
        "advice", "edits",
    }  # fmt: skip
    assert (finding["line"], finding["column"], finding["end_line"], finding["end_column"]) == (6, 21, 6, 34)
    assert finding["edits"]
    assert value["summary"]["errors"] == 1


def test_columns_are_code_points(run, project: Path) -> None:
    text = 'from vllm import LLM\n\n\ndef build():\n    return LLM("é𝄞", swap_space=16, seed=1)\n'
    (project / "a.py").write_text(text)
    (finding,) = json.loads(run("check", "--output-format", "json").out)["findings"]
    assert finding["column"] == text.splitlines()[4].index("swap_space") + 1


def test_output_file(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    done = run("check", "--output-format", "json", "--output-file", "out.json")
    assert done.out == ""
    assert json.loads((project / "out.json").read_text())["findings"]
    assert run("check", "--output-file", "no/such/folder/x").code == 2


@pytest.mark.parametrize(("variable", "coloured"), [("FORCE_COLOR", True), ("NO_COLOR", False), ("", False)])
def test_colour(run, project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, coloured: bool) -> None:
    (project / "a.py").write_text(samples.SAFE)
    if variable:
        monkeypatch.setenv(variable, "1")
    assert ("\x1b[" in run("check").out) is coloured


def test_no_colour_wins(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "a.py").write_text(samples.SAFE)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("check").out


def test_code_is_printed_as_it_is_and_can_t_steer_the_terminal(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE.replace("seed=1)", "seed=1)  # [int] [/red] \x1b[31m"))
    done = run("check")
    assert "# [int] [/red] \N{REPLACEMENT CHARACTER}[31m" in done.out
    assert "\x1b" not in done.out


def test_skipped_trees_are_said(run, project: Path) -> None:
    folder = project / "third_party" / "vllm_v_0_6_3"
    folder.mkdir(parents=True)
    for name in ("arg_utils.py", "llm_engine_sp.py"):
        (folder / name).write_text(samples.SAFE)
    done = run("check")
    assert "skipped third_party/vllm_v_0_6_3: a vendored copy of vLLM" in done.err


def test_suppression(run, project: Path) -> None:
    (project / "a.py").write_text(
        samples.SAFE.replace("seed=1)", "seed=1)  # vllm-migrate: ignore[VM201] known")
    )
    (project / "run.sh").write_text("# vllm-migrate: ignore[VM2]\nvllm serve m \\\n  --swap-space 4\n")
    done = run("check", "--output-format", "json")
    value = json.loads(done.out)
    assert (value["findings"], value["summary"]["suppressed"]) == ([], 2)
    assert done.code == 0
    (project / "a.py").write_text(samples.SAFE.replace("seed=1)", "seed=1)  # vllm-migrate: ignore[VM9]"))
    assert run("check").code == 1


def test_a_closed_pipe_is_no_error(project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "check"],
        cwd=project,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (2, b"")


def test_interruption(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "a.py").write_text(samples.SAFE)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scan_module, "scan", interrupted)
    done = run("check", "--output-format", "json")
    assert (done.code, done.err) == (2, "interrupted\n")
    assert json.loads(done.out)["reason"] == "interrupted"


def test_interruption_of_the_process(project: Path) -> None:
    """A real signal in the middle of reading: the file it reads never ends."""
    os.mkfifo(project / "wait")
    (project / "a.py").write_text(samples.SAFE)
    program = (
        "import signal, sys, pathlib\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from vllm_migrate.files import discover\n"
        "old = discover.discover\n"
        "def slow(*args):\n    pathlib.Path('started').touch()\n    open('wait').read()\n"
        "    return old(*args)\n"
        "import vllm_migrate.rules.scan as scan\nscan.discover = slow\n"
        "from vllm_migrate.cli.app import main\nmain(['rewrite'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (project / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.decode() == "interrupted\n"
    assert (project / "a.py").read_text() == samples.SAFE


def test_an_unexpected_error_is_one_line(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(check_module, "run_scan", broken)
    done = run("check", project)
    assert done.code == 2
    assert done.err.splitlines()[0] == "error: unexpected ZeroDivisionError: oh"
    assert json.loads(run("check", project, "--output-format", "json").out)["reason"] == "unexpected"
    with pytest.raises(ZeroDivisionError):
        run("check", project, "--traceback")


def test_starting_up_loads_neither_libcst_nor_numpy_nor_pydantic(project: Path) -> None:
    (project / "a.py").write_text("print('nothing of interest')\n")
    program = (
        "import sys\nfrom vllm_migrate.cli.app import run\ncode = run(['check'])\n"
        "heavy = {'libcst', 'numpy', 'pydantic', 'rich', 'pyarrow', 'torch', 'vllm'} & set(sys.modules)\n"
        "print(code, sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment(),
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_help_does_not_import_the_commands(project: Path) -> None:
    program = (
        "import sys\nfrom vllm_migrate.cli.app import run\nrun(['--help'])\n"
        "print(sorted(m for m in sys.modules if m.startswith('vllm_migrate.cli.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment(),
        capture_output=True,
        check=True,
        text=True,
    )
    for name in ("check", "rewrite", "rule", "engines", "audit"):
        assert f"  {name} " in done.stdout
        assert f"vllm_migrate.cli.{name}" not in done.stdout.splitlines()[-1]
