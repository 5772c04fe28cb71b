"""Dockerfiles: what is read as a command, what as a setting, and which versions they name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vllm_migrate.errors import InputError
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind, kind_by_name

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def read(text: str) -> FileFacts:
    return read_file(PurePosixPath("Dockerfile"), FileKind.DOCKERFILE, text.encode(), None, None)


def parts(text: str) -> list[str]:
    return [part.facts.source.decode() for part in read(text).parts]


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile", "dockerfile", "Dockerfile.cuda", "Dockerfile_rocm", "train.dockerfile", "a.Dockerfile",
        "Containerfile", "Containerfile.cpu", "Dockerfile.vllm-0.8.5", "Dockerfile-dev",
    ],
)  # fmt: skip
def test_names(name: str) -> None:
    assert kind_by_name(name) is FileKind.DOCKERFILE


@pytest.mark.parametrize(
    "name", ["Dockerfile.dockerignore", "Dockerfiles", "file", "profile", "Makefile", ".dockerignore"]
)
def test_names_of_others(name: str) -> None:
    assert kind_by_name(name) is None


def test_commands_and_settings_are_scripts() -> None:
    assert parts(
        "# syntax=docker/dockerfile:1\n"
        "FROM python:3.12 AS base\n"
        "ENV VLLM_USE_V1=0 B=2\n"
        "ENV VLLM_ATTENTION_BACKEND XFORMERS\n"
        "ENV A some words\n"
        "arg V=1\n"
        "RUN --mount=type=cache,target=/x --network=none pip install \\\n"
        "    # a comment\n"
        "\n"
        "    vllm==0.8.5 \\\n"
        "    numpy\n"
        "WORKDIR /x\n"
        "CMD vllm serve m --swap-space 4"
    ) == [
        "export VLLM_USE_V1=0 B=2\n",
        "export VLLM_ATTENTION_BACKEND=XFORMERS",
        "export A='some words'",
        "export V=1\n",
        "pip install \\\n    vllm==0.8.5 \\\n    numpy\n",
        "vllm serve m --swap-space 4",
    ]


def test_words_of_the_exec_form() -> None:
    assert parts(
        'ENTRYPOINT ["vllm", "serve", "m"]\n'
        'CMD [ "--swap-space",\\\n  "4" , "--x", "a b", "", "it\'s", "{\\"a\\": 1}", "$Y"]\n'
    ) == ["vllm serve m", "vllm serve --swap-space 4 --x 'a b' '' 'it'\"'\"'s' '{\"a\": 1}' '$Y'"]


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ('FROM vllm/vllm-openai:v0.8.5\nCMD ["--swap-space", "4"]\n', ["swap_space"]),
        ('FROM x\nCMD ["--swap-space", "4"]\n', []),
        ('FROM x\nCMD ["m", "--swap-space", "4"]\nENTRYPOINT ["vllm", "serve"]\n', ["swap_space"]),
        ('FROM vllm/vllm-openai:v0.8.5\nENTRYPOINT ["bash"]\nCMD ["--swap-space", "4"]\n', []),
        (
            'FROM x\nENTRYPOINT ["python", "-m", "vllm.entrypoints.api_server"]\nCMD ["--swap-space", "4"]\n',
            ["swap_space"],
        ),
        ('FROM vllm/vllm-openai:v0.8.5\nFROM x\nCMD ["--swap-space", "4"]\n', []),
    ],
)
def test_flags_of_the_server_behind_cmd(text: str, flags: list[str]) -> None:
    assert [a.name for inside in read(text).running for a in inside.arguments] == flags


@pytest.mark.parametrize(
    ("text", "kind", "body"),
    [
        ("RUN <<EOF\nexport VLLM_USE_V1=0\nEOF\nWORKDIR /vllm\n", FileKind.SHELL, "export VLLM_USE_V1=0\n"),
        ("RUN --network=none bash -e <<'EOF'\nls\nEOF\n", FileKind.SHELL, "ls\n"),
        ("RUN python3 <<EOF\nfrom vllm import LLM\nEOF\n", FileKind.PYTHON, "from vllm import LLM\n"),
        ("RUN <<-EOF\n\tls\n\tEOF\n", FileKind.SHELL, "\tls\n"),
    ],
)
def test_heredocs(text: str, kind: FileKind, body: str) -> None:
    assert [(p.facts.kind, p.facts.source.decode()) for p in read(text).parts] == [(kind, body)]


def test_other_heredocs_are_passed_over() -> None:
    assert parts("COPY <<EOF /a.py\nRUN vllm\nEOF\nRUN cat <<EOF > /x\nCMD vllm\nEOF\nRUN ls\n") == ["ls\n"]


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("FROM vllm/vllm-openai:v0.8.5\n", ["0.8.5"]),
        ("FROM --platform=linux/amd64 vllm/vllm-openai:v0.8.5 AS base\n", ["0.8.5"]),
        ("COPY --from=vllm/vllm-openai:v0.8.5 /a /b\n", ["0.8.5"]),
        ("ARG VLLM_VERSION=v0.8.5\nFROM vllm/vllm-openai:${VLLM_VERSION}\n", ["0.8.5"]),
        ("ARG V='0.8.5'\nRUN pip install vllm==${V}\n", ["0.8.5"]),
        ("ENV V 0.8.5\nRUN pip install vllm[audio]==$V\n", ["0.8.5"]),
        ("ARG V=0.8.5\nRUN pip install other==$V vllm\n", []),
        ("ARG V\nFROM vllm/vllm-openai:$V\n", []),
        ("FROM python:3.12\n", []),
    ],
)
def test_versions(text: str, versions: list[str]) -> None:
    facts = read(text)
    assert [facts.text(pin.specifier_span) for pin in facts.pins] == versions
    assert [pin.specifier for pin in facts.pins] == [f"=={version}" for version in versions]


def test_a_variable_that_others_read_stays() -> None:
    facts = read("ARG VLLM_USE_V1=0\nENV VLLM_USE_V1=${VLLM_USE_V1}\nRUN echo vllm\n")
    assert [v.removable for inside in facts.running for v in inside.variables if v.action == "set"] == [
        False,
        False,
    ]


def test_a_comment_above_silences_all_lines() -> None:
    facts = read("# vllm-migrate: ignore[VM201]\nCMD vllm serve m \\\n  --swap-space 4\nRUN ls\n")
    assert facts.suppressions == dict.fromkeys((1, 2, 3), ("VM201",))
    assert [dict(part.facts.suppressions) for part in facts.parts] == [
        {1: ("VM201",), 2: ("VM201",), 3: ("VM201",)},
        {},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# escape=`\nFROM vllm\n", "continues lines"),
        ("FROM x\n[vllm]\n", "line 2: no instruction"),
        ("FROM x\nRUN <<EOF\nvllm\n", "line 2: <<EOF is never closed"),
        ("FROM x\nRUN echo 'vllm\n", "line 2: RUN: "),
    ],
)
def test_what_is_no_dockerfile_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text)


PIECES = [
    "FROM vllm/vllm-openai:v0.8.5\n", "ENV ", "VLLM_USE_V1=0", "ARG V=0.8.5", "RUN ", "CMD ", "[", "]", ", ",
    "pip install vllm==0.8.5", '"vllm"', '"serve"', '"--swap-space"', "\\\n", "\n", "# c\n", "<<EOF", "EOF\n",
    " ", "'", '"', "\r\n", "é", "\t", "--mount=x ",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_parts_lie_inside_the_file_or_it_is_refused(text: str) -> None:
    source = f"# vllm\n{text}".encode()
    try:
        facts = read_file(PurePosixPath("Dockerfile"), FileKind.DOCKERFILE, source, None, None)
    except InputError:
        return
    for part in facts.parts:
        at = 0
        for segment in part.segments:
            assert segment.at == at
            at += segment.size
            assert 0 <= segment.start <= segment.end <= len(source)
            if not segment.solid:
                written = source[segment.start : segment.end]
                assert part.facts.source[segment.at : segment.at + segment.size] == written
        assert at == len(part.facts.source)
