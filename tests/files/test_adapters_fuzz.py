"""Whatever a file holds, its adapter returns facts that lie inside it or refuses it in one line."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vllm_migrate.errors import InputError
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

PIECES = {
    FileKind.SHELL: [
        "vllm serve m", "--swap-space", "4", "export VLLM_USE_V1=0", "VLLM_USE_V1=0 ", "\\\n", "\n", " ",
        '"', "'", "$(", ")", "${X:-", "}", "`", "#", ";", "&&", "||", "|", "<<EOF", "EOF", "if ", "then",
        "fi", "A=(", "é", "\r\n", "\\", "$", "<(", "pip install ", "vllm==0.8.5", "[", "case x in", ";;",
    ],
    FileKind.YAML: [
        "vllm:", "engine_kwargs:", "swap_space: 4", "env:", "- ", "  ", "\n", "{", "}", "[", "]", ",",
        ": ", '"', "'", "|", ">", "#", "run: |", "VLLM_USE_V1: 0", "VLLM_USE_V1=0", "name: ", "value: ",
        "&a", "*a", "---", "é", "\r\n", "pip:", "vllm==0.8.5", "\t", "?",
    ],
    FileKind.REQUIREMENTS: [
        "vllm", "==", "0.8.5", "[", "]", ",", ";", "#", " ", "\n", "\\\n", "-r ", "@", "(", ")", "é",
        "\r\n", "--hash=x",
    ],
    FileKind.TOML: [
        "[project]", "dependencies", " = ", "[", "]", '"vllm==0.8.5"', "'trl'", ",", "\n", "{", "}", "#",
        "[tool.uv]", "[tool.poetry.dependencies]", 'vllm = "^0.8"', "é", "\r\n",
    ],
}  # fmt: skip


def spans(facts: FileFacts) -> list[tuple[int, int]]:
    found = [(a.span, a.name_span) for a in facts.arguments] + [
        (v.span, v.name_span) for v in facts.variables
    ]
    found += [(p.span, p.specifier_span) for p in facts.pins]
    return [(span.start, span.end) for pair in found for span in pair]


@pytest.mark.parametrize("kind", list(PIECES))
def test_facts_lie_inside_the_file_or_it_is_refused(kind: FileKind) -> None:
    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from(PIECES[kind]), max_size=25).map("".join))
    def check(text: str) -> None:
        source = f"# vllm\n{text}".encode()
        try:
            facts = read_file(PurePosixPath("x"), kind, source, None, None)
        except InputError:
            return
        assert facts.source == source
        assert all(0 <= start <= end <= len(source) for start, end in spans(facts))

    check()
