"""Folders that pin different releases: each file is judged with the pins nearest to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Sampling defaults come from the model since 0.8.0, so that VM704 is about code from before it alone.
CODE = 'from vllm import LLM\n\n\ndef build():\n    return LLM("m", swap_space=4)\n'


def write(project: Path, **files: str) -> None:
    for name, text in files.items():
        path = project / name.replace("__", "/").replace("_txt", ".txt").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def sources(done) -> dict[str, str]:
    report = json.loads(done.out)
    found = {one["path"]: one["version"] for one in report["subprojects"]}
    return {"whole": report["source"]["version"], **found}


def test_each_has_its_own(run, project: Path) -> None:
    write(
        project,
        one__requirements_txt="vllm==0.6.6\n",
        two__requirements_txt="vllm==0.8.5\n",
        one__src__a_py=CODE,
        two__a_py=CODE,
        three__a_py=CODE,
    )
    done = run("check", ".", "--output-format", "json")
    assert sources(done) == {"whole": "0.6.6", "one": "0.6.6", "two": "0.8.5"}
    told = {(f["path"], f["code"]) for f in json.loads(done.out)["findings"]}
    assert ("one/src/a.py", "VM704") in told
    assert ("three/a.py", "VM704") in told
    assert ("two/a.py", "VM704") not in told
    text = run("check", ".").out
    assert "two: vLLM 0.8.5, from two/requirements.txt:1" in text


@pytest.mark.parametrize(
    "files",
    [
        {"one__requirements_txt": "vllm==0.8.5\n", "two__requirements_txt": "vllm>=0.8.5\n"},
        {"one__requirements_txt": "vllm==0.8.5\n", "two__requirements_txt": "torch\n"},
        {"requirements_txt": "vllm==0.8.5\n", "requirements__dev_txt": "vllm==0.7.3\n"},
    ],
)
def test_where_they_agree_there_are_none(run, project: Path, files: dict[str, str]) -> None:
    write(project, **files, a_py=CODE)
    assert set(sources(run("check", ".", "--output-format", "json"))) == {"whole"}


def test_what_is_named_holds_everywhere(run, project: Path) -> None:
    write(project, one__requirements_txt="vllm==0.6.6\n", two__requirements_txt="vllm==0.8.5\n", a_py=CODE)
    done = run("check", ".", "--from", "0.7.3", "--output-format", "json")
    assert sources(done) == {"whole": "0.7.3"}


def test_a_lock_file_beats_the_pins_of_its_folder(run, project: Path) -> None:
    write(project, one__requirements_txt="vllm==0.6.6\n", one__a_py=CODE, two__a_py=CODE)
    (project / "two" / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["vllm>=0.7"]\n')
    (project / "two" / "uv.lock").write_text('[[package]]\nname = "vllm"\nversion = "0.8.5"\n')
    found = sources(run("check", ".", "--output-format", "json"))
    assert (found["one"], found["two"]) == ("0.6.6", "0.8.5")


def test_a_rewrite_judges_each_with_its_own(run, project: Path) -> None:
    write(project, one__requirements_txt="vllm==0.6.6\n", two__requirements_txt="vllm==0.8.5\n")
    write(project, one__a_py=CODE, two__a_py=CODE)
    run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM704")
    assert "generation_config" in (project / "one" / "a.py").read_text()
    assert (project / "two" / "a.py").read_text() == CODE
