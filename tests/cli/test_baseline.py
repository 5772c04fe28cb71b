from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import samples

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".vllm-migrate-baseline.json"
MORE = samples.SAFE + '\n\ndef more():\n    return LLM("n", swap_space=17)\n'


def test_what_is_written_down_is_hidden_until_more_comes(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    assert run("check").code == 1
    done = run("baseline")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"{NAME}: 1 finding\n"
    done = run("check")
    assert done.code == 0
    assert "VM201" not in done.out
    assert "nothing new to migrate" in done.err
    assert f"1 more known, in {NAME}" in done.err
    (project / "a.py").write_text(MORE)
    done = run("check")
    assert done.code == 1
    assert done.out.count("VM201") == 1
    assert "a.py:9:" in done.out
    assert f"1 more known, in {NAME}" in done.err


def test_no_baseline_shows_all(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    run("baseline")
    assert run("check", "--no-baseline").code == 1
    assert run("check", "--no-baseline", "--baseline", NAME).code == 2


def test_a_baseline_by_name(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    assert run("baseline", "--baseline", "known.json").code == 0
    assert not (project / NAME).exists()
    assert run("check").code == 1
    assert run("check", "--baseline", "known.json").code == 0
    done = run("check", "--baseline", "missing.json")
    assert done.code == 2
    assert "missing.json: can't be read" in done.err


def test_it_lies_beside_the_configuration(run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "vllm-migrate.toml").write_text("")
    (project / "sub").mkdir()
    (project / "sub" / "a.py").write_text(samples.SAFE)
    monkeypatch.chdir(project / "sub")
    run("baseline")
    assert [entry["path"] for entry in json.loads((project / NAME).read_text())["findings"]] == ["sub/a.py"]
    assert run("check").code == 0
    monkeypatch.chdir(project)
    assert run("check").code == 0


def test_stale_entries_are_said_and_go(run, project: Path) -> None:
    (project / "a.py").write_text(MORE)
    run("baseline")
    (project / "a.py").write_text(samples.SAFE)
    done = run("check")
    assert done.code == 0
    assert f"1 entry of {NAME} met nothing" in done.err
    assert "a.py  VM201  swap_space=17" in done.err
    value = json.loads(run("check", "--output-format", "json").out)
    assert value["baseline"] == {
        "file": NAME,
        "stale": [{"path": "a.py", "code": "VM201", "count": 1, "snippet": "swap_space=17"}],
    }
    assert (value["summary"]["known"], value["findings"]) == (1, [])
    run("baseline")
    assert "met nothing" not in run("check").err


def test_a_part_of_the_tree_leaves_the_rest_of_the_baseline(run, project: Path) -> None:
    for name in ("a", "b"):
        (project / name).mkdir()
        (project / name / "x.py").write_text(samples.SAFE)
    run("baseline")
    (project / "a" / "x.py").write_text(MORE)
    assert run("baseline", "a").err == f"{NAME}: 3 findings\n"
    assert run("check").code == 0


def test_a_file_that_can_t_be_judged(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    run("baseline")
    before = (project / NAME).read_bytes()
    (project / "a.py").write_text(samples.BROKEN)
    done = run("baseline")
    assert done.code == 2
    assert "VM002" in done.err
    assert (project / NAME).read_bytes() == before


def test_a_broken_baseline_is_never_passed_over(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    (project / NAME).write_text("<<<<<<< HEAD\n")
    done = run("check")
    assert done.code == 2
    assert "not valid JSON" in done.err
    assert run("check", "--no-baseline").code == 1
    assert run("baseline").code == 2
    assert (project / NAME).read_text() == "<<<<<<< HEAD\n"


@pytest.mark.parametrize("form", ["sarif", "github", "gitlab", "junit"])
def test_what_is_known_is_not_reported_in_any_format(run, project: Path, form: str) -> None:
    (project / "a.py").write_text(samples.SAFE)
    run("baseline")
    done = run("check", "--output-format", form)
    assert done.code == 0
    if form == "sarif":
        (result,) = json.loads(done.out)["runs"][0]["results"]
        assert result["suppressions"] == [
            {"kind": "external", "status": "accepted", "justification": f"in {NAME}"}
        ]
    else:
        assert "VM201" not in done.out


def test_a_rewrite_does_what_the_baseline_hides(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    run("baseline")
    assert run("rewrite").code == 0
    assert (project / "a.py").read_text() == samples.SAFE_AFTER
