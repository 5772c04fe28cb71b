"""Edits in files inside files: what changes, what stays byte for byte, and what is refused."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from vllm_migrate.config import Config
from vllm_migrate.edits.model import (
    Finding,
    InsertStatement,
    Level,
    RemoveStatement,
    ReplaceText,
    Safety,
    WrapInMain,
)
from vllm_migrate.edits.plan import FilePlan, plan_file
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Target
from vllm_migrate.facts.source import parse_source
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.files.use import Use
from vllm_migrate.rules.base import Context
from vllm_migrate.rules.inside import about_the_file
from vllm_migrate.rules.scan import Judge

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

TARGET = Target("vllm", Version("0.32.0"))


def judge() -> Judge:
    return Judge(Context(parse_source("0.8.5"), TARGET, load_facts(), Use()), None, Config())


def rewritten(source: bytes, kind: FileKind, name: str = "x") -> bytes:
    """All edits, until nothing changes any more."""
    path = PurePosixPath(name)
    for _ in range(5):
        facts = judge().read(path, kind, source)
        plan = plan_file(facts, judge().findings(facts)[0], unsafe=True)
        if plan.after == source:
            return source
        source = plan.after
    raise AssertionError("it does not settle")


def notebook(
    *cells: str, indent: int | str | None = 1, ascii_only: bool = True, listed: bool = True
) -> bytes:
    value = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": 7,
                "metadata": {},
                "outputs": [{"name": "stdout", "output_type": "stream", "text": ["swap_space=4\n", "é"]}],
                "source": text.splitlines(keepends=True) if listed else text,
            }
            for text in cells
        ],
        "metadata": {"é": 1.0},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(value, indent=indent, ensure_ascii=ascii_only) + "\n").encode()


BEFORE = (
    "# notes é\n%pip install -q vllm==0.8.5\n%env VLLM_USE_V1=0",
    "%%time\nfrom vllm import LLM  # 漢\n",
    "",
    'llm = LLM(\n    "m",\n    swap_space=4,  # "é"\n    seed=1,\n)\nprompt = """\n!not\t\\n"""',
    "llm.generate(prompt)\nfiles = !ls",
)
AFTER = (
    "# notes é\n%pip install -q vllm==0.32.0",
    "%%time\nfrom vllm import LLM  # 漢\n",
    "",
    'llm = LLM(\n    "m",\n    seed=1,\n)\nprompt = """\n!not\t\\n"""',
    "llm.generate(prompt)\nfiles = !ls",
)


@pytest.mark.parametrize("indent", [None, 1, 2, 4, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("listed", [True, False])
def test_a_notebook_is_what_jupyter_would_write(
    indent: int | str | None, ascii_only: bool, listed: bool
) -> None:
    before = notebook(*BEFORE, indent=indent, ascii_only=ascii_only, listed=listed)
    after = notebook(*AFTER, indent=indent, ascii_only=ascii_only, listed=listed)
    assert rewritten(before, FileKind.NOTEBOOK) == after


def test_the_bytes_of_the_rest_stay_as_they_are() -> None:
    """Odd layout, escapes of both kinds, a lost final newline, CRLF between and in the strings."""
    before = (
        b'{"nbformat":4 ,\r\n "cells" : [ {"source":["from vllm import LLM\\r\\n",\r\n'
        b"  \"x = '\\u00e9\xc3\xa9\\/'\\r\\n\", \"llm = LLM('m', swap_space=4)  # \\u00e9\xc3\xa9\\/\"],"
        b'"cell_type":"code", "outputs":[{"data":{"image/png":"swap_space=4"}}]}], "metadata" :{}}'
    )
    after = before.replace(b", swap_space=4)", b")")
    assert after.count(b"swap_space=4") == 1
    assert rewritten(before, FileKind.NOTEBOOK) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("%env VLLM_USE_V1=0", ""),
        ("%env VLLM_USE_V1 0\nx = 1", "x = 1"),
        ("x = 1\n%env VLLM_USE_V1=0", "x = 1"),
        ("x = 1\n!export VLLM_USE_V1=0\ny = 2\n", "x = 1\ny = 2\n"),
        ("!VLLM_USE_V1=0 python train.py", "!python train.py"),
        ("%%bash\nexport VLLM_USE_V1=0\n", ""),
        ("%%bash\nset -e\nexport VLLM_USE_V1=0\n", "%%bash\nset -e\n"),
        ("import os\nos.environ['VLLM_USE_V1'] = '0'", "import os"),
        ("os.environ['VLLM_USE_V1'] = '0'", ""),
        ("!vllm serve m --swap-space 4", "!vllm serve m"),
        ("!vllm serve m \\\n  --swap-space 4 \\\n  --port 1", "!vllm serve m \\\n  --port 1"),
        ("if x:\n    %env VLLM_USE_V1=0\n    pass", "if x:\n    pass"),
        ("if x:\n    %env VLLM_USE_V1=0", "if x:\n    %env VLLM_USE_V1=0"),
        ("    %env VLLM_USE_V1=0\n    x = 1", "    x = 1"),
        ("    x = 1\n    !vllm serve m --swap-space 4\n    y = 2", "    x = 1\n    !vllm serve m\n    y = 2"),
        ("    x = 1\n    os.environ['VLLM_USE_V1'] = '0'\n    y = 2",) * 2,  # what is left would be misplaced
        ("y = !VLLM_USE_V1=0 python a.py", "y = !python a.py"),
        ("%%writefile run.sh\nexport VLLM_USE_V1=0\nls\n", "%%writefile run.sh\nls\n"),
        ("%%writefile run.sh\nexport VLLM_USE_V1=0\n", "%%writefile run.sh\nexport VLLM_USE_V1=0\n"),
        (
            "%%writefile a.yaml\nenv:\n  VLLM_USE_V1: 0\nx: 1\n",
            "%%writefile a.yaml\nenv: {}\nx: 1\n",
        ),
    ],
)
def test_settings_in_cells(before: str, after: str) -> None:
    assert rewritten(notebook("import os", before, "x = 1"), FileKind.NOTEBOOK) == notebook(
        "import os", after, "x = 1"
    )


def test_a_comment_in_a_cell_silences() -> None:
    source = notebook(
        "from vllm import LLM",
        "llm = LLM('m', swap_space=4)  # vllm-migrate: ignore[VM201]",
        "!pip install vllm==0.8.5  # vllm-migrate: ignore",
    )
    facts = judge().read(PurePosixPath("a.ipynb"), FileKind.NOTEBOOK, source)
    found, silenced = judge().findings(facts)
    assert {finding.code for finding in silenced} >= {"VM201", "VM901"}
    assert not {"VM201", "VM901"} & {finding.code for finding in found}


# Edits that don't fit into cells


def read(source: bytes) -> FileFacts:
    return read_file(PurePosixPath("a.ipynb"), FileKind.NOTEBOOK, source, None, None)


def planned(source: bytes, *edits: object) -> FilePlan:
    facts = read(source)
    findings = [
        about_the_file(
            Finding("VM1", "n", facts.path, Span(0, 1), Level.ERROR, Safety.SAFE, "m", edits=(edit,)),  # type: ignore[arg-type]  # any edit
            facts,
            0,
        )
        for edit in edits
    ]
    return plan_file(facts, findings, unsafe=False)


def test_an_edit_over_cells_is_refused() -> None:
    source = notebook("a = 1", "b = 2", "c = 3")
    plan = planned(source, WrapInMain(Span(0, 5)))
    assert plan.after == source
    assert plan.refused[0][1] == "the edit would reach over the end of a cell"
    one, other = ReplaceText(Span(4, 7), "0"), RemoveStatement(Span(12, 17))
    plan = planned(source, one, other)
    assert plan.after == notebook("a = 1", "b = 2", "")
    assert len(plan.refused) == 1


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        (InsertStatement(Span(0, 5), "new()"), ("a = 1\nnew()", "b = 2\n", "c = 3")),
        (InsertStatement(Span(6, 11), "new()", before=True), ("a = 1", "new()\nb = 2\n", "c = 3")),
        (InsertStatement(Span(6, 11), "new()"), ("a = 1", "b = 2\nnew()\n", "c = 3")),
        (InsertStatement(Span(13, 18), "new()"), ("a = 1", "b = 2\n", "c = 3\nnew()")),
        (RemoveStatement(Span(0, 5)), ("", "b = 2\n", "c = 3")),
        (RemoveStatement(Span(6, 11)), ("a = 1", "", "c = 3")),
        (RemoveStatement(Span(13, 18)), ("a = 1", "b = 2\n", "")),
    ],
)
def test_statements_stay_in_their_cells(edit: object, after: tuple[str, ...]) -> None:
    plan = planned(notebook("a = 1", "b = 2\n", "c = 3"), edit)
    assert not plan.refused
    assert plan.after == notebook(*after)


# Dockerfiles


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM vllm/vllm-openai:v0.8.5 AS a\n", "FROM vllm/vllm-openai:v0.32.0 AS a\n"),
        ("ARG V=v0.8.5\nFROM vllm/vllm-openai:$V\n", "ARG V=v0.32.0\nFROM vllm/vllm-openai:$V\n"),
        ("FROM x\nENV VLLM_USE_V1=0\nRUN ls\n", "FROM x\nRUN ls\n"),
        ("FROM x\nENV A=1 VLLM_USE_V1=0 B=2\n", "FROM x\nENV A=1 B=2\n"),
        ("FROM x\nENV VLLM_USE_V1=0 \\\n    B=2\n", "FROM x\nENV \\\n    B=2\n"),
        ("FROM x\nENV A=1 \\\n    # old\n    VLLM_USE_V1=0\nRUN ls", "FROM x\nENV A=1\nRUN ls"),
        ("FROM x\nENV VLLM_USE_V1 0\nENV A b c\n", "FROM x\nENV A b c\n"),
        ("FROM x\nRUN ls\nENV VLLM_USE_V1=0", "FROM x\nRUN ls\n"),
        ("FROM x\nARG VLLM_USE_V1=0\nENV VLLM_USE_V1=$VLLM_USE_V1\n", ""),
        ("FROM x\nRUN pip install \\\n  # c\n  vllm==0.8.5 \\\n  numpy\n",) * 2,
        ("FROM x\nRUN export VLLM_USE_V1=0 && python a.py\n", "FROM x\nRUN python a.py\n"),
        ("FROM x\nRUN <<EOF\nexport VLLM_USE_V1=0\nls\nEOF\n", "FROM x\nRUN <<EOF\nls\nEOF\n"),
        ("FROM x\nRUN <<EOF\nexport VLLM_USE_V1=0\nEOF\n", ""),
        ("FROM x\nCMD vllm serve m --swap-space 4\n", "FROM x\nCMD vllm serve m\n"),
        (
            "FROM x\nCMD vllm serve m \\\n  --swap-space 4 \\\n  --port 1\n",
            "FROM x\nCMD vllm serve m \\\n  --port 1\n",
        ),
        ("FROM x\nCMD vllm serve m \\\n  --swap-space 4\nRUN ls\n", "FROM x\nCMD vllm serve m\nRUN ls\n"),
        ('FROM x\nCMD ["vllm", "serve", "m", "--swap-space", "4"]\n', 'FROM x\nCMD ["vllm", "serve", "m"]\n'),
        (
            'FROM x\nCMD ["vllm","serve","m","--swap-space","4", "--x", "a b"] \n',
            'FROM x\nCMD ["vllm","serve","m", "--x", "a b"] \n',
        ),
        (
            'FROM x\nENTRYPOINT ["vllm", "serve"]\nCMD ["--swap-space", "4", "m"]\n',
            'FROM x\nENTRYPOINT ["vllm", "serve"]\nCMD ["m"]\n',
        ),
        (
            'FROM x\nENTRYPOINT ["vllm", "serve"]\nCMD ["--swap-space", "4"]\n',
            'FROM x\nENTRYPOINT ["vllm", "serve"]\nCMD []\n',
        ),
        (
            'FROM x\r\nCMD ["vllm", "serve", "m", "--guided-decoding-backend", "xgrammar"]\r\n',
            'FROM x\r\nCMD ["vllm", "serve", "m", "--structured-outputs-config", '
            + json.dumps('{"backend": "xgrammar"}')
            + "]\r\n",
        ),
    ],
)
def test_dockerfiles(before: str, after: str) -> None:
    expected = (after or before).replace("vllm==0.8.5", "vllm==0.32.0")
    assert rewritten(before.encode(), FileKind.DOCKERFILE, "Dockerfile").decode() == expected
    windows = rewritten(before.replace("\n", "\r\n").encode(), FileKind.DOCKERFILE, "Dockerfile").decode()
    if "\r" not in before:
        assert windows == expected.replace("\n", "\r\n")
