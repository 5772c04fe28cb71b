from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.resolve.import_text import absolute, import_statements, modules_named
from vllm_migrate.resolve.syntax import Syntax
from vllm_migrate.resolve.unreached import may_import


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import a", [("", ["a"])]),
        ("import a.b as c, d", [("", ["a.b", "d"])]),
        ("from a.b import c as d, e", [("a.b", ["c", "e"])]),
        ("from . import (\n    a,  \n    b as c,\n)", [(".", ["a", "b"])]),
        ("from ..a import b, \\\n    c", [("..a", ["b", "c"])]),
        ("from a import *", [("a", ["*"])]),
        ("if x: import a; from b import c", [("", ["a"]), ("b", ["c"])]),
        ("\ufeffimport a\r\nimport b\r\n", [("", ["a"]), ("", ["b"])]),
        ("important = 1\nx = 'nothing to import'", []),
    ],
)
def test_imports_are_read_off_the_text(text: str, found: list[tuple[str, list[str]]]) -> None:
    assert list(import_statements(text.encode())) == found


@pytest.mark.parametrize(
    ("module", "package", "name"),
    [
        ("a.b", "p", "a.b"),
        (".", "p.q", "p.q"),
        (".a", "p.q", "p.q.a"),
        ("..a", "p.q", "p.a"),
        (".a", "", "a"),
    ],
)
def test_leading_dots_count_from_the_package(module: str, package: str, name: str) -> None:
    assert absolute(module, package) == name


NAME = st.sampled_from(["a", "b", "pkg", "models", "vllm_0_6_3"])
DOTTED = st.lists(NAME, min_size=1, max_size=3).map(".".join)
TAKEN = st.tuples(NAME, st.sampled_from(["", " as other"])).map("".join)
TAKE = st.lists(TAKEN, min_size=1, max_size=3)
FROM = st.builds(
    lambda dots, module, names, form: f"from {dots}{module} import {form[0]}{form[1].join(names)}{form[2]}",
    st.sampled_from(["", ".", ".."]),
    DOTTED,
    TAKE,
    st.sampled_from([("", ", ", ""), ("(", ",\n  ", ")"), ("(\n", ", ", ",\n)"), ("", ", \\\n  ", "")]),
)
STATEMENT = st.one_of(
    FROM, DOTTED.map("import {}".format), st.tuples(DOTTED, DOTTED).map("import {0[0]}, {0[1]}".format)
)
LINE = st.tuples(st.sampled_from(["", "if x: ", "y = 1; ", "try:\n    "]), STATEMENT).map("".join)


@given(st.lists(LINE.map(lambda line: f"{line}\nfinally: pass" if line[:3] == "try" else line), max_size=5))
def test_the_text_names_what_the_syntax_names(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert modules_named(text.encode(), "p.q") == may_import(Syntax(ast.parse(text)), "p.q")
