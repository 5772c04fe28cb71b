"""Every output format: one exit code, a report whatever happens, and what chooses what is in it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
import samples

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ["text", "json", "sarif", "github", "gitlab", "junit"]
MACHINE = FORMATS[1:]
CASES = {
    "clean": ({"a.py": samples.CLEAN}, 0),
    "found": ({"a.py": samples.SAFE, "requirements.txt": samples.WARNING}, 1),
    "note": ({"run.sh": samples.NOTE}, 0),
    "broken": ({"a.py": samples.BROKEN, "b.py": samples.SAFE}, 2),
    "bad configuration": ({"vllm-migrate.toml": "selct = []\n"}, 2),
}


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / name).write_text(text)


def is_valid(form: str, text: str) -> bool:
    if form == "junit":
        return ET.fromstring(text).tag == "testsuites"  # noqa: S314 - our own output
    if form == "github":
        return all(line.startswith("::") for line in text.splitlines())
    value = json.loads(text)
    return isinstance(value, list) if form == "gitlab" else "version" in value or "schema" in value


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["check", "rewrite --diff --unsafe-fixes", "rewrite --allow-dirty"])
def test_the_exit_code_is_the_same_in_every_format(run, project: Path, case: str, command: str) -> None:
    files, _ = CASES[case]
    codes = set()
    for form in FORMATS:
        write(project, files)
        done = run(*command.split(), "--output-format", form)
        codes.add(done.code)
        if form in MACHINE:
            assert is_valid(form, done.out), done.out
        assert "Traceback" not in done.err
    assert len(codes) == 1
    if command == "check":
        assert codes == {CASES[case][1]}


@pytest.mark.parametrize("form", MACHINE)
def test_a_run_that_fails_is_no_clean_report(run, form: str) -> None:
    done = run("check", "missing", "--output-format", form)
    assert done.code == 2
    assert is_valid(form, done.out)
    assert "no such file" in done.out


def test_the_github_summary(run, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, CASES["found"][0])
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run("check")
    assert summary.read_text() == "before\n"
    assert run("check", "--output-format", "github").code == 1
    text = summary.read_text()
    assert text.startswith("before\n### vllm-migrate\n")
    assert "| error | VM201" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such"))
    done = run("check", "--output-format", "github")
    assert done.code == 1
    assert "summary can't be written" in done.err


def test_statistics(run, project: Path) -> None:
    write(project, CASES["found"][0])
    done = run("check", "--statistics", "-q")
    assert done.code == 1
    assert done.out.splitlines() == [
        "count   code  safe  unsafe  manual  name",
        "    1  VM201     1       0       0  gone-engine-argument",
        "    1  VM901     0       1       0  vllm-pin",
    ]
    value = json.loads(run("check", "--statistics", "--output-format", "json").out)
    assert value["statistics"][0] == {
        "code": "VM201", "name": "gone-engine-argument", "count": 1, "safe": 1, "unsafe": 0, "manual": 0,
    }  # fmt: skip
    done = run("check", "--statistics", "--output-format", "gitlab")
    assert len(json.loads(done.out)) == 2
    assert "    1  VM201" in done.err


def test_per_file_ignores(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "tests").mkdir()
    write(
        project, {"a.py": samples.SAFE, "tests/b.py": samples.SAFE, "c.sh": "vllm serve m --swap-space 4\n"}
    )

    def found(*args: str) -> list[str]:
        return [f["path"] for f in json.loads(run("check", "--output-format", "json", *args).out)["findings"]]

    assert found() == ["a.py", "c.sh", "tests/b.py"]
    assert found("--per-file-ignores", "tests/:VM2") == ["a.py", "c.sh"]
    assert found("--per-file-ignores", "*.py:VM201,VM3", "--per-file-ignores", "*.sh:vm2") == []
    (project / "vllm-migrate.toml").write_text('[per-file-ignores]\n"/tests/*" = ["VM201"]\n')
    assert found() == ["a.py", "c.sh"]
    assert found("--per-file-ignores", "a.py:VM9") == ["a.py", "c.sh", "tests/b.py"]
    monkeypatch.chdir(project / "tests")
    assert found() == []
    monkeypatch.chdir(project)
    run("rewrite")
    assert (project / "tests" / "b.py").read_text() == samples.SAFE
    assert (project / "a.py").read_text() == samples.SAFE_AFTER


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--per-file-ignores", "VM201"), "not PATTERN:CODES"),
        (("--per-file-ignores", "a.py:"), "not PATTERN:CODES"),
        (("--per-file-ignores", "a.py:XX1"), "no rule's code starts with 'XX1'"),
    ],
)
def test_per_file_ignores_that_make_no_sense(run, args: tuple[str, ...], said: str) -> None:
    done = run("check", *args)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("text", ['per-file-ignores = ["VM2"]', '[per-file-ignores]\n"a" = "VM2"'])
def test_per_file_ignores_of_the_wrong_kind(run, project: Path, text: str) -> None:
    (project / "vllm-migrate.toml").write_text(text)
    assert run("check").code == 2


def test_a_comment_that_silences_nothing_is_a_note(run, project: Path) -> None:
    used = samples.SAFE.replace("seed=1)", "seed=1)  # vllm-migrate: ignore[VM201, VM3] known")
    write(
        project, {"a.py": used, "b.py": samples.CLEAN.replace("seed=1)", "seed=1)  # vllm-migrate: ignore")}
    )
    done = run("check", "--output-format", "json")
    assert done.code == 0
    findings = json.loads(done.out)["findings"]
    assert [(f["path"], f["code"], f["level"], f["line"], f["message"], f["advice"]) for f in findings] == [
        ("a.py", "VM004", "note", 5, "nothing here is silenced by VM3", "remove VM3 from the comment"),
        ("b.py", "VM004", "note", 5, "nothing here is silenced by this comment", "remove the comment"),
    ]
    assert run("check", "--fail-on", "note").code == 1
    assert run("check", "--fail-on", "note", "--ignore", "VM004").code == 0
    (project / "a.py").write_text(used.replace("VM3]", "VM3, VM004]"))
    assert "a.py" not in run("check").out


def test_a_narrower_run_reports_no_more_of_them(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE.replace("seed=1)", "seed=1)  # vllm-migrate: ignore[VM201]"))
    assert run("check", "--ignore", "VM201", "--fail-on", "note").code == 0
    (project / "a.py").write_text(
        'TEXT = "# vllm-migrate: ignore[VM201]"\n' + samples.CLEAN
    )  # a string that reads like a comment
    assert run("check", "--fail-on", "note").code == 0
