"""Whatever stands around an edit stays as it was, byte for byte."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vllm_migrate.config import Config
from vllm_migrate.rules.rewrite import rewrite
from vllm_migrate.rules.scan import scan

CALL = "    return LLM('m', swap_space=4, seed=1)"
CALL_AFTER = "    return LLM('m', seed=1)"
NEWLINES = ["\n", "\r\n", "\r"]
# Lines that can stand between the statements of a module, whatever comes before and after.
BETWEEN = [
    "", " ", "\t", "\f", "# comment", "    # indented", "# C:\\",
    "# \u00e9\u00df", "x = 'a\u00e9'", "x = 1 ;  y = 2", "x = (1,\t2)",
    "if True: pass",
    "def g():\n\treturn 'tab'", "\fclass A: pass", "s = '''a\n\n  b\t\n'''", "x = \\\n    1",
    "@print\ndef h(): ...",
    "x  =  {  'swap_space' : 4 }", "with open('x') as f: pass  # \u00fc",
]  # fmt: skip
SHELL = [
    "",
    "# comment",
    "ls \\\n  -l",
    "echo 'a  b'\t",
    "X=1",
    "if true; then ls; fi",
    "cat <<EOF\na\tb\nEOF",
]
YAML = [
    "",
    "# comment",
    "a: 1",
    "b:   'x'  # y",
    "c:\n  - 1\n  - 2",
    "d: |\n  text\n   more",
    "e: {f: 1,  g: [1,2]}",
]


def may_not_be_reproduced(source: bytes) -> bool:
    """Whether libcst 1.9 may render the file otherwise than it stands, so that it is refused and stays.

    That is so where lines end as they did on old Macs.
    """
    return b"\r" in source.replace(b"\r\n", b"")


def rewritten(name: str, source: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(source)
        config = Config(select=("VM201",))
        result = rewrite(scan([file], config), unsafe=True, write=True)
        once = file.read_bytes()
        if result.refused:
            assert may_not_be_reproduced(source)  # one clear line instead, VM003
            assert [diagnostic.code for diagnostic in result.refused] == ["VM003"]
            assert once == source
        rewrite(scan([file], config), unsafe=True, write=True)
        assert file.read_bytes() == once
        return once


def joined(lines: list[str], newlines: list[str], *, last: bool) -> str:
    """The lines, those inside of pieces too, each with a line ending of its own."""
    every = "\n".join(lines).split("\n")
    text = "".join(line + newlines[i % len(newlines)] for i, line in enumerate(every))
    return text if last else text.rstrip("\r\n")


@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(st.sampled_from(BETWEEN), max_size=5),
    after=st.lists(st.sampled_from(BETWEEN), max_size=5),
    newlines=st.lists(st.sampled_from(NEWLINES), min_size=1, max_size=3),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]),
    last=st.booleans(),
)
@example(before=[], after=["", " "], newlines=["\n"], encoding="utf-8", last=False)
@example(before=[], after=["", " ", "# comment"], newlines=["\n"], encoding="utf-8", last=False)
@example(
    before=[], after=["x = 1 ;  y = 2", "", "    # indented"], newlines=["\n"], encoding="utf-8", last=True
)
@example(before=[], after=["# C:\\"], newlines=["\r\n"], encoding="utf-8", last=True)
def test_python(
    before: list[str], after: list[str], newlines: list[str], encoding: str, *, last: bool
) -> None:
    head = ["# -*- coding: latin-1 -*-"] if encoding == "latin-1" else []
    lines = [*head, "from vllm import LLM", *before, "def build():", CALL, *after]
    source = joined(lines, newlines, last=last).encode(encoding)
    assert source.count(CALL.encode()) == 1
    after_it = source.replace(CALL.encode(), CALL_AFTER.encode())
    result = rewritten("a.py", source)
    assert result == after_it or (result == source and may_not_be_reproduced(source))


def test_python_in_lines_that_end_as_they_did_on_old_macs() -> None:
    """libcst can't reproduce them: the finding is there, the edit is refused and the file stays."""
    source = joined(["# coding: utf-8", "from vllm import LLM", "def f():", CALL], ["\r"], last=True).encode()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.py"
        file.write_bytes(source)
        scanned = scan([file], Config(select=("VM201",)))
        assert [finding.code for finding in scanned.findings] == ["VM201"]
        result = rewrite(scanned, unsafe=True, write=True)
        assert [diagnostic.code for diagnostic in result.refused] == ["VM003"]
        assert file.read_bytes() == source


@pytest.mark.parametrize(
    ("name", "between", "call", "after"),
    [
        ("a.sh", SHELL, "vllm serve m --swap-space 4 --seed 1", "vllm serve m --seed 1"),
        ("a.yaml", YAML, "vllm_kwargs: {swap_space: 4, seed: 1}", "vllm_kwargs: {seed: 1}"),
    ],
)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_other_kinds(name: str, between: list[str], call: str, after: str, data: st.DataObject) -> None:
    around = st.lists(st.sampled_from(between), max_size=4, unique=True)
    first, second = data.draw(around), data.draw(around)
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    source = joined(
        [*first, call, *(s for s in second if s not in first)], [newline], last=data.draw(st.booleans())
    )
    assert rewritten(name, source.encode()) == source.replace(call, after).encode()
