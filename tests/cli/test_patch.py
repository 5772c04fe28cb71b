"""What the command line asks git: patches that apply, uncommitted changes, the lines of a branch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import samples

from vllm_migrate.edits import git as git_module
from vllm_migrate.edits.git import changed_lines, parse_diff

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
CALL = 'LLM("m", swap_space=16, seed=1)'


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *args], cwd=folder, capture_output=True, check=True)  # noqa: S607 - git, found
    return done.stdout.decode()


@pytest.fixture
def repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(project, "init", "-q", "-b", "main")
    (project / "a.py").write_text(samples.SAFE)
    (project / "b.py").write_text(samples.CLEAN)
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")
    return project


def test_a_patch_applies_and_is_all_that_is_written(run, repository: Path, tmp_path: Path) -> None:
    patch = tmp_path / "x.patch"
    done = run("rewrite", "--patch", patch)
    assert done.code == 1
    assert "would rewrite a.py" in done.out
    assert str(patch) in done.err
    assert git(repository, "status", "--porcelain") == ""
    git(repository, "apply", str(patch))
    assert (repository / "a.py").read_text() == samples.SAFE_AFTER
    assert run("rewrite", "--patch", patch).code == 0
    assert patch.read_bytes() == b""
    assert run("rewrite", "--patch", tmp_path / "no" / "x.patch").code == 2


def test_a_patch_made_in_a_subdirectory_applies_there(
    run, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = repository / "sub é"
    folder.mkdir()
    (folder / 'q"x.py').write_text(samples.SAFE)
    monkeypatch.chdir(folder)
    run("rewrite", "--patch", tmp_path / "x.patch")
    git(folder, "apply", str(tmp_path / "x.patch"))
    assert (folder / 'q"x.py').read_text() == samples.SAFE_AFTER


def test_committed_files_are_rewritten_whatever_else_is_dirty(run, repository: Path) -> None:
    (repository / "b.py").write_text(samples.CLEAN + "# work\n")
    (repository / "notes.txt").write_text("new\n")
    assert run("rewrite").code == 0
    assert (repository / "a.py").read_text() == samples.SAFE_AFTER


@pytest.mark.parametrize("state", ["changed", "staged", "untracked", "added"])
def test_uncommitted_work_is_not_written_over(run, repository: Path, state: str) -> None:
    (repository / "c.py").write_text(samples.SAFE)
    if state == "untracked":
        name = "c.py"
    elif state == "added":
        name = "c.py"
        git(repository, "add", "c.py")
    else:
        name = "a.py"
        (repository / "c.py").unlink()
        (repository / "a.py").write_text(samples.SAFE + "# work\n")
        if state == "staged":
            git(repository, "add", "a.py")
    before = {path.name: path.read_bytes() for path in repository.glob("*.py")}
    done = run("rewrite", "--output-format", "json")
    assert done.code == 2
    assert json.loads(done.out)["reason"] == "uncommitted"
    assert f"git has not committed what is in {name}; nothing was written" in done.err
    assert "--allow-dirty" in done.err
    assert {path.name: path.read_bytes() for path in repository.glob("*.py")} == before
    assert run("rewrite", "--diff").code == 1
    assert run("rewrite", "--allow-dirty").code == 0
    assert "swap_space" not in (repository / name).read_text()


def test_ignored_directories_and_places_outside_need_no_flag(
    run, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".gitignore").write_text("out/\n")
    out = repository / "out" / "deep"
    out.mkdir(parents=True)
    (out / "a.py").write_text(samples.SAFE)
    assert run("rewrite", "out").code == 0
    assert (out / "a.py").read_text() == samples.SAFE_AFTER
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_text(samples.SAFE)
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))  # as inside a hook of another repository
    assert run("rewrite", outside).code == 0


def test_a_link_into_a_work_tree_is_asked_about_there(run, repository: Path, tmp_path: Path) -> None:
    (repository / "a.py").write_text(samples.SAFE + "# work\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link.py").symlink_to(repository / "a.py")
    assert run("rewrite", elsewhere / "link.py").code == 2


@pytest.mark.parametrize("name", ["new\nline.py", "*.py", ":(top)x.py", "-x.py", " b .py", "caf\udce9.py"])
def test_names_that_git_reads_otherwise(run, repository: Path, name: str) -> None:
    (repository / name).write_text(samples.SAFE)
    git(repository, "rm", "-q", "a.py")
    assert run("rewrite").code == 2
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "x")
    assert run("rewrite").code == 0
    assert (repository / name).read_text() == samples.SAFE_AFTER


def test_without_git_nothing_is_written(run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    done = run("rewrite")
    assert done.code == 2
    assert "git can't be started" in done.err
    assert "--allow-dirty" in done.err
    assert (repository / "a.py").read_text() == samples.SAFE
    assert run("rewrite", "--allow-dirty").code == 0


def found(run, *args: str) -> list[tuple[str, int]]:
    value = json.loads(run("check", "--output-format", "json", *args).out)
    return [(f["path"], f["line"]) for f in value["findings"]]


def test_only_what_the_branch_brings_in(run, repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "topic")
    (repository / "b.py").write_text(samples.CLEAN + f"\n\ndef more():\n    return {CALL}\n")
    git(repository, "commit", "-q", "-am", "more")
    git(repository, "checkout", "-q", "main")
    (repository / "a.py").write_text("# moved on\n" + samples.SAFE)
    git(repository, "commit", "-q", "-am", "main moves on")
    git(repository, "checkout", "-q", "topic")
    assert found(run) == [("a.py", 5), ("b.py", 9)]
    assert found(run, "--diff-base", "main") == [("b.py", 9)]
    done = run("check", "--diff-base", "main")
    assert done.code == 1
    assert "1 more on lines that have not changed" in done.err
    assert found(run, "--diff-base", "HEAD") == []
    assert run("check", "--diff-base", "HEAD").code == 0


def test_work_in_progress_and_new_files_count(run, repository: Path) -> None:
    (repository / "b.py").write_text(samples.CLEAN.replace("seed=1)", "swap_space=1)"))
    (repository / "new.py").write_text(samples.SAFE)
    (repository / "a.py").rename(repository / "renamed.py")
    git(repository, "add", "renamed.py", "a.py")
    assert found(run, "--diff-base", "main") == [("b.py", 5), ("new.py", 5)]


def test_a_call_over_several_lines_counts_where_one_of_its_lines_changed(run, repository: Path) -> None:
    text = "vllm serve m \\\n  --port 3 \\\n  --swap-space \\\n  4\n"
    (repository / "a.sh").write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "sh")
    (repository / "a.sh").write_text(text.replace("  4\n", "  5\n"))
    assert found(run, "--diff-base", "HEAD") == [("a.sh", 3)]
    (repository / "a.sh").write_text(text.replace("port 3", "port 4"))
    assert found(run, "--diff-base", "HEAD") in ([], [("a.sh", 3)])


def test_a_broken_file_counts_only_where_the_branch_touched_it(run, repository: Path) -> None:
    (repository / "old.py").write_text(samples.BROKEN)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "broken")
    assert run("check", "--ignore", "VM2").code == 2
    assert run("check", "--diff-base", "HEAD").code == 0
    (repository / "old.py").write_text(samples.BROKEN + "# more\n")
    assert run("check", "--diff-base", "HEAD").code == 2


@pytest.mark.parametrize("ref", ["nosuch", "", "-x", "--output=x", "main\n", "HEAD^{tree}"])
def test_a_base_that_is_none_is_said(run, repository: Path, ref: str) -> None:
    done = run("check", f"--diff-base={ref}")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert sorted(path.name for path in repository.iterdir()) == [".git", "a.py", "b.py"]


def test_a_base_outside_of_git(run, project: Path) -> None:
    (project / "a.py").write_text(samples.SAFE)
    done = run("check", "--diff-base", "main")
    assert done.code == 2
    assert "lies in no git work tree" in done.err


def test_settings_of_the_user_s_change_nothing(run, repository: Path) -> None:
    (repository / "b.py").write_text(samples.CLEAN.replace("seed=1)", "swap_space=1)"))
    for name, value in (
        ("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true"), ("diff.interHunkContext", "50"),
        ("color.ui", "always"), ("diff.external", "false"), ("core.quotePath", "false"),
        ("core.fsmonitor", "false; touch owned"), ("diff.renames", "false"),
        ("status.showUntrackedFiles", "no"),
        ("diff.orderFile", "b.py"), ("core.pager", "false"),
    ):  # fmt: skip
        git(repository, "config", name, value)
    assert found(run, "--diff-base", "main") == [("b.py", 5)]
    (repository / "new.py").write_text(samples.SAFE)
    assert run("rewrite", "new.py").code == 2
    assert not (repository / "owned").exists()


def test_lines_that_look_like_a_diff_are_none(repository: Path) -> None:
    file = repository / "b.py"
    file.write_text("x = 1\n++ b/a.py\n@@ -1 +1,99 @@\n-- a/c\n" + samples.CLEAN + "no newline at the end")
    lines = changed_lines([file, repository / "a.py"], "main")
    last = len(file.read_text().splitlines())
    assert lines == {file: frozenset({1, 2, 3, 4, last})}


def test_names_in_a_diff() -> None:
    name = b'+++ "b/caf\\303\\251\\t\\"\\\\.py"\n'
    diff = b"--- a/x\n" + name + b"@@ -1 +1,2 @@\n-a\n+b\n+c\n\\ No newline at end of file\n"
    assert parse_diff(diff) == {b'caf\xc3\xa9\t"\\.py': frozenset({1, 2})}
    assert parse_diff(b"--- a/x y\t\n+++ b/x y\t\n@@ -3,0 +4 @@\n+b\n") == {b"x y": frozenset({4})}
    assert parse_diff(b"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n") == {}
    assert parse_diff(b"") == {}


def test_many_files_go_in_several_commands(run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_module, "_AT_ONCE", 2)
    for n in range(5):
        (repository / f"n{n}.py").write_text(samples.SAFE)
    done = run("rewrite")
    assert "n0.py, n1.py, n2.py and 2 more" in done.err
