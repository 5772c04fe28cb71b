"""Notebooks, Dockerfiles, documents and setup.cfg through the whole command."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

README = "# Use\n\n```bash\nvllm serve m --swap-space 4\n```\n"
DOCKERFILE = (
    "FROM vllm/vllm-openai:v0.8.5\n"
    "ENV VLLM_USE_V1=0 \\\n"
    "    HF_HOME=/models\n"
    'CMD ["--model", "m", "--swap-space", "4"]\n'
)
DOCKERFILE_AFTER = 'FROM vllm/vllm-openai:v0.32.0\nENV \\\n    HF_HOME=/models\nCMD ["--model", "m"]\n'


def notebook(*cells: str) -> str:
    value = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": 1,
                "metadata": {},
                "outputs": [],
                "source": [*cell.splitlines(keepends=True)],
            }
            for cell in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


CELLS = (
    "%pip install vllm==0.8.5\n%env VLLM_USE_V1=0",
    "from vllm import LLM",
    'LLM("é", swap_space=4, seed=1)',
)
CELLS_AFTER = ("%pip install vllm==0.32.0", "from vllm import LLM", 'LLM("é", seed=1)')


@pytest.fixture
def tree(project: Path) -> Path:
    (project / "a.ipynb").write_text(notebook(*CELLS))
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "README.md").write_text(README)
    (project / "setup.cfg").write_text("[options]\ninstall_requires =\n    vllm==0.8.5\n")
    return project


def test_everything_is_rewritten_but_documents(run, tree: Path) -> None:
    assert run("rewrite", "--unsafe-fixes", ".").code == 0
    assert (tree / "a.ipynb").read_text() == notebook(*CELLS_AFTER)
    assert (tree / "Dockerfile").read_text() == DOCKERFILE_AFTER
    assert (tree / "README.md").read_text() == README
    assert (tree / "setup.cfg").read_text() == "[options]\ninstall_requires =\n    vllm==0.32.0\n"
    before = {path: path.read_bytes() for path in tree.iterdir()}
    assert run("rewrite", "--unsafe-fixes", ".").code == 0
    assert {path: path.read_bytes() for path in tree.iterdir()} == before


def test_findings_in_cells_say_file_line_and_cell(run, tree: Path) -> None:
    found = json.loads(run("check", "--output-format", "json", ".").out)["findings"]
    swap = next(f for f in found if f["path"] == "a.ipynb" and f["code"] == "VM201")
    lines = (tree / "a.ipynb").read_text().splitlines()
    assert lines[swap["line"] - 1][swap["column"] - 1 : swap["end_column"] - 1] == "swap_space=4"
    assert swap["message"].startswith("cell 3, line 1: swap_space is gone")
    start, end = swap["edits"][0]["span"]
    assert (tree / "a.ipynb").read_bytes()[start:end] == b"swap_space=4"


def test_the_diff_can_be_applied(run, tree: Path) -> None:
    patch = run("rewrite", "--diff", "--unsafe-fixes", ".").out
    git = shutil.which("git")
    assert git
    subprocess.run([git, "apply", "-"], cwd=tree, input=patch.encode(), check=True)
    assert (tree / "a.ipynb").read_text() == notebook(*CELLS_AFTER)
    assert (tree / "Dockerfile").read_text() == DOCKERFILE_AFTER


def test_what_a_notebook_pins_is_where_the_code_comes_from(run, project: Path) -> None:
    (project / "a.ipynb").write_text(notebook("x = 1", "!pip install vllm==0.7.3\n%env VLLM_USE_V1=0"))
    (project / "README.md").write_text("```bash\npip install vllm==0.6.6\n```\n")
    source = json.loads(run("check", "--output-format", "json", ".").out)["source"]
    assert (source["version"], source["engine"]) == ("0.7.3", "v0")
    line = (project / "a.ipynb").read_text().splitlines().index('    "!pip install vllm==0.7.3\\n",') + 1
    assert source["origin"] == f"a.ipynb:{line}"


def test_a_document_alone_fails_nothing(run, project: Path) -> None:
    (project / "README.md").write_text(README)
    done = run("check", ".")
    assert done.code == 0
    assert "README.md:4" in done.out
    assert run("check", "--fail-on", "note", ".").code == 1
    assert run("rewrite", "--unsafe-fixes", ".").code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            notebook("from vllm import LLM", "LLM(", "x)"),
            "syntax error: '(' was never closed (1 more cell)",
        ),
        ('{"nbformat": 4, "cells": [ vllm', "not valid JSON"),
        ('{"nbformat": 3, "vllm": 1, "worksheets": []}', "a notebook of format 3"),
        (notebook("from vllm import LLM", "LLM("), "cell 2, line 1: syntax error"),
    ],
)
def test_a_bad_notebook_is_one_diagnostic_and_the_run_goes_on(
    run, tree: Path, content: str, message: str
) -> None:
    (tree / "bad.ipynb").write_text(content)
    done = run("rewrite", "--unsafe-fixes", "--output-format", "json", ".")
    assert done.code == 2
    value = json.loads(done.out)
    assert [(d["code"], d["path"]) for d in value["diagnostics"]] == [("VM002", "bad.ipynb")]
    assert message in value["diagnostics"][0]["message"]
    assert (tree / "bad.ipynb").read_text() == content
    assert (tree / "a.ipynb").read_text() == notebook(*CELLS_AFTER)


def test_the_other_cells_of_a_notebook_are_judged_and_none_is_edited(run, tree: Path) -> None:
    content = notebook(*CELLS, "pip install something", "LLM(")
    (tree / "bad.ipynb").write_text(content)
    done = run("rewrite", "--unsafe-fixes", "--output-format", "json", "bad.ipynb")
    assert done.code == 2
    value = json.loads(done.out)
    assert {finding["code"] for finding in value["findings"]} >= {"VM201"}
    assert {said["code"] for said in value["diagnostics"]} == {"VM002", "VM003"}
    assert "the rest was judged, none is edited" in value["diagnostics"][0]["message"]
    assert (tree / "bad.ipynb").read_text() == content
