from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from vllm_migrate.files.discover import SourceFile
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.mentions import Mentions

A, B, C = PurePosixPath("a.py"), PurePosixPath("b.py"), PurePosixPath("c.sh")


@pytest.fixture
def project(tmp_path):
    """Three files, and a way to change one of them behind the project's back."""

    def file(path: PurePosixPath, kind: FileKind, text: str) -> SourceFile:
        (tmp_path / path).write_text(text)
        return SourceFile(Path(tmp_path / path), path, kind)

    files = (
        file(A, FileKind.PYTHON, "self.llm.generate(x)\n"),
        file(B, FileKind.PYTHON, "actor.llm.generate(x)\n"),
        file(C, FileKind.SHELL, "grep .llm a.py\n"),
    )
    return Mentions(files)


def test_only_python_files_are_code(project):
    assert project.code_matches(re.compile(rb"\.llm\b"), b"llm") == {A, B}
    assert project.code_matches(re.compile(rb"\.llm\b(?<!\bself\.llm)"), b"llm") == {B}
    assert project.code_matches(re.compile(rb"nowhere"), b"nowhere") == frozenset()


def test_words_and_patterns_are_found_in_every_kind_of_file(project):
    assert project.any_of("grep", "nowhere")
    assert not project.any_of("nowhere")
    assert project.matches(re.compile(rb"gr[e]p"), b"nowhere", b"gr")
    assert not project.matches(re.compile(rb"nowhere"), b"nowhere")


class Counted:
    """A pattern that counts how often it is looked for."""

    def __init__(self) -> None:
        self.times = 0

    def search(self, source: bytes) -> bool:
        self.times += 1
        return b"nowhere" in source


def test_each_question_goes_through_the_project_once(project):
    anywhere, code = Counted(), Counted()
    for _ in range(3):
        assert not project.matches(anywhere, b"llm")
        assert not project.code_matches(code, b"llm")
    assert (anywhere.times, code.times) == (3, 2)


def test_files_without_the_word_are_not_searched(project):
    pattern = Counted()
    assert not project.matches(pattern, b"absent", b"missing")
    assert not project.code_matches(pattern, b"absent")
    assert pattern.times == 0
