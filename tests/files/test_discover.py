from __future__ import annotations

import os
from pathlib import Path

import pytest

from vllm_migrate.config import Config
from vllm_migrate.errors import InputError
from vllm_migrate.files import discover as module
from vllm_migrate.files.discover import Discovery, discover


def write(root: Path, *names: str, text: str = "x\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(found: Discovery) -> list[str]:
    return [str(file.relative) for file in found.files]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_kinds_that_have_an_adapter_in_order_of_path(tree: Path) -> None:
    read = [
        *("Dockerfile", "README.md", "a/run.sh", "a/x.dockerfile", "b.py", "c.yaml", "index.rst", "n.ipynb"),
        *("pyproject.toml", "requirements.txt", "setup.cfg"),
    ]
    write(tree, *reversed(read), "data.json", "tox.cfg", ".dockerignore", "Makefile")
    assert names(discover([Path()], Config())) == read


def test_default_excludes(tree: Path) -> None:
    write(
        tree,
        "a.py",
        ".git/x.py",
        ".venv/x.py",
        "node_modules/x.py",
        "build/x.py",
        "p.egg-info/x.py",
        "q/__pycache__/x.py",
    )
    assert names(discover([tree], Config())) == ["a.py"]


def test_an_excluded_directory_named_explicitly_is_read(tree: Path) -> None:
    write(tree, "build/x.py")
    assert names(discover([Path("build")], Config())) == ["build/x.py"]


def test_gitignore_nested_and_negated(tree: Path) -> None:
    write(tree, "a.py", "b.py", "sub/a.py", "sub/keep.py", "sub/gen/x.py", "out/x.py")
    (tree / ".gitignore").write_text("out/\n/b.py\n*.tmp\n[bad\n")
    (tree / "sub/.gitignore").write_text("*.py\n!keep.py\n")
    assert names(discover([tree], Config())) == ["a.py", "sub/keep.py"]


def test_gitignore_above_counts_inside_a_repository(tree: Path) -> None:
    write(tree, "pkg/a.py", "pkg/gen.py")
    (tree / ".gitignore").write_text("gen.py\n")
    assert names(discover([tree / "pkg"], Config())) == ["pkg/a.py", "pkg/gen.py"]
    (tree / ".git").mkdir()
    assert names(discover([tree / "pkg"], Config())) == ["pkg/a.py"]


@pytest.mark.parametrize("named", ["out", "out/project"])
def test_an_ignored_directory_named_explicitly_is_read(tree: Path, named: str) -> None:
    write(tree, "out/project/a.py", "out/project/gen.py")
    (tree / ".gitignore").write_text("out/\n")
    (tree / ".git").mkdir()
    (tree / "out/project/.gitignore").write_text("gen.py\n")
    assert names(discover([tree], Config())) == []
    assert names(discover([tree / named], Config())) == ["out/project/a.py"]


def test_explicit_files_are_always_taken(tree: Path) -> None:
    write(tree, "gen.py")
    (tree / ".gitignore").write_text("gen.py\n")
    assert names(discover([Path("gen.py")], Config(exclude=("gen.py",)))) == ["gen.py"]


def test_exclude_setting(tree: Path) -> None:
    write(tree, "a.py", "old/a.py", "x/old/a.py")
    assert names(discover([tree], Config(exclude=("/old/",), root=tree))) == ["a.py", "x/old/a.py"]


@pytest.mark.parametrize(
    "inside",
    [
        ("third_party/vllm/vllm_v_0_6_3/arg_utils.py", "third_party/vllm/vllm_v_0_6_3/llm_engine_sp.py"),
        ("deps/vllm/engine/arg_utils.py", "deps/vllm/engine/llm_engine.py"),
        ("deps/vllm/vllm/engine/arg_utils.py", "deps/vllm/vllm/engine/llm_engine.py", "deps/vllm/tests/x.py"),
    ],
)
def test_a_vendored_vllm_is_skipped_and_said(tree: Path, inside: tuple[str, ...]) -> None:
    write(tree, "train.py", *inside)
    found = discover([tree], Config())
    assert names(found) == ["train.py"]
    assert [reason for _, reason in found.skipped] == [
        "a vendored copy of vLLM: replace the copy, don't rewrite it"
    ]


def test_a_module_that_only_reexports_a_vendored_vllm_is_read(tree: Path) -> None:
    write(tree, "third_party/vllm/__init__.py", "third_party/vllm/vllm_v_0_6_3/arg_utils.py")
    write(tree, "third_party/vllm/vllm_v_0_6_3/llm_engine_sp.py")
    assert names(discover([tree], Config())) == ["third_party/vllm/__init__.py"]


def test_large_files_are_skipped_and_said(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    write(tree, "big.py", text="x" * 11)
    write(tree, "small.py", text="x" * 10)
    found = discover([tree], Config())
    assert names(found) == ["small.py"]
    assert str(found.skipped[0][0]) == "big.py"


def test_loops_and_dangling_links(tree: Path) -> None:
    write(tree, "a/x.py")
    (tree / "a/loop").symlink_to(tree)
    (tree / "gone.py").symlink_to(tree / "nothing")
    found = discover([tree], Config())
    assert names(found) == ["a/x.py"]
    assert {str(path): reason for path, reason in found.skipped} == {
        "a/loop": "a link back to a directory above it",
        "gone.py": "a link to nothing",
    }


def test_a_file_and_a_link_to_it_are_one(tree: Path) -> None:
    write(tree, "a/x.py", "out/y.py")
    (tree / ".gitignore").write_text("out/\n")
    (tree / "linked.py").symlink_to(tree / "a/x.py")
    (tree / "b").symlink_to(tree / "a", target_is_directory=True)
    (tree / "kept.py").symlink_to(tree / "out/y.py")
    assert names(discover([tree], Config())) == ["a/x.py", "kept.py"]
    assert names(discover([tree / "linked.py"], Config())) == ["linked.py"]


def test_links_out_of_what_was_named(tree: Path) -> None:
    write(tree, "elsewhere/x.py", "y.py", "in/a.py")
    (tree / "in" / "far").symlink_to(tree / "elsewhere", target_is_directory=True)
    (tree / "in" / "far.py").symlink_to(tree / "y.py")
    (tree / "in" / "far.css").symlink_to(tree / "y.py")
    found = discover([tree / "in"], Config())
    assert names(found) == ["in/a.py"]
    assert [str(path) for path, _ in found.skipped] == ["in/far", "in/far.py"]
    assert names(discover([tree / "in" / "far"], Config())) == ["in/far/x.py"]


def test_a_pipe_is_not_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.py")
    write(tree, "a.py")
    assert names(discover([tree], Config())) == ["a.py"]


def test_scripts_without_a_suffix(tree: Path) -> None:
    write(tree, "launch", text="#!/usr/bin/env bash\n")
    write(tree, "plain", text="#!/usr/bin/env bash\n")
    (tree / "launch").chmod(0o755)
    assert names(discover([tree], Config())) == ["launch"]


def test_the_same_file_twice_is_read_once(tree: Path) -> None:
    write(tree, "a.py")
    assert names(discover([tree, tree / "a.py", Path("a.py")], Config())) == ["a.py"]


def test_paths_outside_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "one/a.py", "two/a.py", "here/b.py")
    monkeypatch.chdir(tmp_path / "here")
    assert names(discover([tmp_path / "one"], Config())) == ["a.py"]
    both = discover([tmp_path / "one", tmp_path / "two"], Config())
    assert names(both) == [str(tmp_path / "one/a.py"), str(tmp_path / "two/a.py")]


def test_what_does_not_exist_or_has_no_adapter(tree: Path) -> None:
    write(tree, "x.css")
    for path in ("nothing", "x.css"):
        with pytest.raises(InputError):
            discover([Path(path)], Config())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_directory_is_said(tree: Path) -> None:
    write(tree, "secret/a.py")
    (tree / "secret").chmod(0)
    try:
        found = discover([tree], Config())
    finally:
        (tree / "secret").chmod(0o755)
    assert "can't be read" in found.skipped[0][1]
