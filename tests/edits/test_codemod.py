"""Every kind of edit, in every way a file can be written: line endings, marks, tabs, encodings."""

from __future__ import annotations

import ast
import codecs
import dataclasses
from pathlib import PurePosixPath

import pytest

from vllm_migrate.edits.model import (
    AddArgument,
    AddImport,
    Edit,
    Finding,
    InsertStatement,
    Level,
    MoveImport,
    RemoveArgument,
    RemoveImport,
    RemoveStatement,
    RemoveWithItem,
    RenameArgument,
    ReplaceExpression,
    ReplaceText,
    Safety,
    SetBases,
    WrapInMain,
)
from vllm_migrate.edits.plan import FilePlan, plan_file
from vllm_migrate.edits.splice import apply_splices
from vllm_migrate.files.located import Span
from vllm_migrate.resolve.python import read_python

PATH = PurePosixPath("train.py")


def at(source: bytes, text: str, occurrence: int = 0) -> Span:
    """The place of a piece of text."""
    wanted = text.encode() if b"\r\n" not in source else text.replace("\n", "\r\n").encode()
    start = -1
    for _ in range(occurrence + 1):
        start = source.index(wanted, start + 1)
    return Span(start, start + len(wanted))


def finding(*edits: Edit, start: int = 0, safety: Safety = Safety.SAFE) -> Finding:
    return Finding("VM000", "test", PATH, Span(start, start), Level.ERROR, safety, "m", edits=edits)


def plan(source: bytes, *findings: Finding, unsafe: bool = False) -> FilePlan:
    return plan_file(read_python(PATH, source, None, None), findings, unsafe=unsafe)


def edited(source: str, *groups: list[tuple]) -> str:
    """The source after findings whose edits are `(kind, text to find or (text, occurrence), *rest)`."""
    raw = source.encode()
    made = [finding(*[build(raw, each) for each in group], start=n) for n, group in enumerate(groups)]
    result = plan(raw, *made)
    assert result.refused == ()
    assert apply_splices(raw, result.splices) == result.after
    return result.after.decode()


def build(raw: bytes, edit: tuple) -> Edit:
    kind, *rest = edit
    if kind is AddImport:
        near = at(raw, rest[2]) if len(rest) > 2 else None
        return AddImport(rest[0], rest[1], near)
    places = [
        at(raw, *(p if isinstance(p, tuple) else (p,))) if isinstance(p, (tuple, str)) else p
        for p in rest[:1]
    ]
    if kind is RemoveWithItem:
        second = rest[1] if isinstance(rest[1], tuple) else (rest[1],)
        return RemoveWithItem(places[0], at(raw, *second))
    return kind(places[0], *rest[1:])


CASES = {
    "remove the only argument": (
        "x = f(a=1)\n",
        [(RemoveArgument, "a=1")],
        "x = f()\n",
    ),
    "remove the first": ("f(a=1, b=2)\n", [(RemoveArgument, "a=1")], "f(b=2)\n"),
    "remove the last": ("f(a=1, b=2)\n", [(RemoveArgument, "b=2")], "f(a=1)\n"),
    "remove the last before a comma": ("f(a=1, b=2,)\n", [(RemoveArgument, "b=2")], "f(a=1,)\n"),
    "remove a line": (
        "f(\n    a=1,\n    b=2,  # goes\n    c=3,  # stays\n)\n",
        [(RemoveArgument, "b=2")],
        "f(\n    a=1,\n    c=3,  # stays\n)\n",
    ),
    "remove the last line without comma": (
        "f(\n    a=1,  # stays\n    b=2\n)\n",
        [(RemoveArgument, "b=2")],
        "f(\n    a=1  # stays\n)\n",
    ),
    "a comment line of its own stays": (
        "f(\n    a=1,\n    # about the rest\n    b=2,\n    c=3,\n)\n",
        [(RemoveArgument, "b=2")],
        "f(\n    a=1,\n    # about the rest\n    c=3,\n)\n",
    ),
    "remove the last of a hanging call": (
        "f(a=1,\n  b=2)\n",
        [(RemoveArgument, "b=2")],
        "f(a=1)\n",
    ),
    "a comment shared by the line stays": (
        "f(a=1, b=2,  # both\n  c=3)\n",
        [(RemoveArgument, "b=2")],
        "f(a=1,  # both\n  c=3)\n",
    ),
    "remove all one by one": (
        "f(a=1, b=2, c=3)\n",
        [(RemoveArgument, "a=1"), (RemoveArgument, "b=2"), (RemoveArgument, "c=3")],
        "f()\n",
    ),
    "a value in parentheses": ("f(a=(1), b=(2))\n", [(RemoveArgument, "a=(1)")], "f(b=(2))\n"),
    "remove a dictionary entry": (
        'k = {"a": 1, "b": 2}\n',
        [(RemoveArgument, '"a": 1')],
        'k = {"b": 2}\n',
    ),
    "remove a dictionary line": (
        'k = {\n    "a": 1,\n    "b": 2,  # note\n}\n',
        [(RemoveArgument, '"b": 2')],
        'k = {\n    "a": 1,\n}\n',
    ),
    "remove the only entry": ('k = {"a": 1}\n', [(RemoveArgument, '"a": 1')], "k = {}\n"),
    "remove a setting of a key": (
        'k = {}\nk["a"] = 1\nf(**k)\n',
        [(RemoveArgument, 'k["a"] = 1')],
        "k = {}\nf(**k)\n",
    ),
    "the block's only statement": (
        'if x:\n    k["a"] = 1\n',
        [(RemoveArgument, 'k["a"] = 1')],
        "if x:\n    pass\n",
    ),
    "one of several on a line": (
        "a = 1; b = 2; c = 3\n",
        [(RemoveStatement, "b = 2")],
        "a = 1; c = 3\n",
    ),
    "on the line of its if": ("if x: a = 1\n", [(RemoveStatement, "a = 1")], "if x: pass\n"),
    "comment above a removed statement stays": (
        "x = 1\n\n# why\na = 1  # what\nb = 2\n",
        [(RemoveStatement, "a = 1")],
        "x = 1\n\n# why\nb = 2\n",
    ),
    "blank lines don't add up": (
        "x = 1\n\na = 1\n\nb = 2\n",
        [(RemoveStatement, "a = 1")],
        "x = 1\n\nb = 2\n",
    ),
    "a compound statement": (
        "x = 1\nif y:\n    a()\nelse:\n    b()\nz = 2\n",
        [(RemoveStatement, "if y:\n    a()\nelse:\n    b()")],
        "x = 1\nz = 2\n",
    ),
    "rename": ("f(a=1, b = 2)\n", [(RenameArgument, "b = 2", "c")], "f(a=1, c = 2)\n"),
    "rename with value": ("f(a=1)\n", [(RenameArgument, "a=1", "b", "not 1")], "f(b=not 1)\n"),
    "rename an entry": ("k = {'a': 1}\n", [(RenameArgument, "'a': 1", "b")], "k = {'b': 1}\n"),
    "rename a key set": ('k["a"] = 1\n', [(RenameArgument, 'k["a"] = 1', "b", "2")], 'k["b"] = 2\n'),
    "rename a default": (
        'k.setdefault("a", 1)\n',
        [(RenameArgument, 'k.setdefault("a", 1)', "b")],
        'k.setdefault("b", 1)\n',
    ),
    "add to none": ("f()\n", [(AddArgument, "f()", "a", "1")], "f(a=1)\n"),
    "add on one line": ("f(x)\n", [(AddArgument, "f(x)", "a", "1")], "f(x, a=1)\n"),
    "add as a line": (
        "f(\n    x=1,  # x\n)\n",
        [(AddArgument, "f(\n    x=1,  # x\n)", "a", '"b"')],
        'f(\n    x=1,  # x\n    a="b",\n)\n',
    ),
    "add where there is no trailing comma": (
        "f(\n    x=1,\n    y=2  # y\n)\n",
        [(AddArgument, "f(\n    x=1,\n    y=2  # y\n)", "a", "1")],
        "f(\n    x=1,\n    y=2,  # y\n    a=1\n)\n",
    ),
    "add to a hanging call": (
        "call(x=1,\n     y=2)\n",
        [(AddArgument, "call(x=1,\n     y=2)", "a", "1")],
        "call(x=1,\n     y=2,\n     a=1)\n",
    ),
    "add before the rest": ("f(x, **k)\n", [(AddArgument, "f(x, **k)", "a", "1")], "f(x, a=1, **k)\n"),
    "add to nothing but the rest": ("f(**k)\n", [(AddArgument, "f(**k)", "a", "1")], "f(a=1, **k)\n"),
    "add before the rest as a line": (
        "f(\n    x=1,\n    # the rest\n    **k,\n)\n",
        [(AddArgument, "f(\n    x=1,\n    # the rest\n    **k,\n)", "a", "1")],
        "f(\n    x=1,\n    a=1,\n    # the rest\n    **k,\n)\n",
    ),
    "add several": (
        "f(x=1)\n",
        [(AddArgument, "f(x=1)", "a", "1"), (AddArgument, "f(x=1)", "b", "2")],
        "f(x=1, a=1, b=2)\n",
    ),
    "remove and add": (
        "f(x=1, y=2)\n",
        [(RemoveArgument, "x=1"), (RemoveArgument, "y=2"), (AddArgument, "f(x=1, y=2)", "a", "1")],
        "f(a=1)\n",
    ),
    "an edit in an edited call": (
        "f(x=g(y=1), z=2)\n",
        [(RemoveArgument, "y=1"), (RemoveArgument, "z=2"), (AddArgument, "g(y=1)", "a", "1")],
        "f(x=g(a=1))\n",
    ),
    "replace an expression": (
        "f(x, y)\n",
        [(ReplaceExpression, "x", "[i for i in x]")],
        "f([i for i in x], y)\n",
    ),
    "replace within an attribute": ("x.y()\n", [(ReplaceExpression, "x", "a + b")], "(a + b).y()\n"),
    "parentheses stay": ("f((x), y)\n", [(ReplaceExpression, "x", "z")], "f((z), y)\n"),
    "replace a tuple": ("f((1, 2))\n", [(ReplaceExpression, "(1, 2)", "x")], "f(x)\n"),
    "replace in a string": (
        'patch("vllm.worker.worker.Worker")\n',
        [(ReplaceText, "vllm.worker.worker.Worker", "vllm.v1.worker.gpu_worker.Worker")],
        'patch("vllm.v1.worker.gpu_worker.Worker")\n',
    ),
    "replace in a comment": ("x = 1  # old\n", [(ReplaceText, "old", "new")], "x = 1  # new\n"),
    "move the only name": (
        "from a.b import c  # noqa: F401\n",
        [(MoveImport, ("c", 0), "a.d", "c")],
        "from a.d import c  # noqa: F401\n",
    ),
    "move one of two": (
        "from a import b, c\n",
        [(MoveImport, "c", "d", "c")],
        "from a import b\nfrom d import c\n",
    ),
    "a linter's comment goes along": (
        "from a import b, c  # noqa: E402\n",
        [(MoveImport, "b", "d", "b")],
        "from a import c  # noqa: E402\nfrom d import b  # noqa: E402\n",
    ),
    "move two of three": (
        "from a import b, c, e\n",
        [(MoveImport, "b", "d", "b"), (MoveImport, "c", "d", "c")],
        "from a import e\nfrom d import b, c\n",
    ),
    "move all to two places": (
        "# above\nfrom a import b, c\n",
        [(MoveImport, ("b", 1), "d", "b"), (MoveImport, "c", "f", "c")],
        "# above\nfrom d import b\nfrom f import c\n",
    ),
    "the alias stays": (
        "from a import b as x, c\n",
        [(MoveImport, "b as x", "d", "bb")],
        "from a import c\nfrom d import bb as x\n",
    ),
    "a new name keeps the old binding": (
        "from a import b\n",
        [(MoveImport, "b", "a", "bb")],
        "from a import bb as b\n",
    ),
    "move out of a parenthesised list": (
        "from a import (\n    b,  # b's\n    c,\n)\n",
        [(MoveImport, "b", "d", "b")],
        "from a import (\n    c,\n)\nfrom d import b  # b's\n",
    ),
    "move under a guard": (
        "try:\n    from a import b, c\nexcept ImportError:\n    b = None\n",
        [(MoveImport, "c", "d", "c")],
        "try:\n    from a import b\n    from d import c\nexcept ImportError:\n    b = None\n",
    ),
    "move next to its new home": (
        "from a import b, c\nfrom d import z\n",
        [(MoveImport, "c", "d", "c")],
        "from a import b\nfrom d import c, z\n",
    ),
    "move a module by its alias": (
        "import a.b as c\n",
        [(MoveImport, "a.b as c", "x.y", "")],
        "import x.y as c\n",
    ),
    "remove an imported name": ("from a import b, c\n", [(RemoveImport, "b")], "from a import c\n"),
    "remove an import": ("import os\nfrom a import b\nx = 1\n", [(RemoveImport, "b")], "import os\nx = 1\n"),
    "remove a block's only import": (
        "if x:\n    from a import b\n",
        [(RemoveImport, "b")],
        "if x:\n    pass\n",
    ),
    "add an import": (
        '"""Doc."""\n\nimport os\n\nx = 1\n',
        [(AddImport, "a", "b")],
        '"""Doc."""\n\nimport os\nfrom a import b\n\nx = 1\n',
    ),
    "add to an import": (
        "from a import b, d\nx = 1\n",
        [(AddImport, "a", "c")],
        "from a import b, c, d\nx = 1\n",
    ),
    "add an import once": (
        "from a import b\nx = 1\n",
        [(AddImport, "a", "b"), (AddImport, "a", "b")],
        "from a import b\nx = 1\n",
    ),
    "add beside a guarded one": (
        "if x:\n    from a import b\ny = 1\n",
        [(AddImport, "a.c", "d")],
        "if x:\n    from a import b\n    from a.c import d\ny = 1\n",
    ),
    "add near": (
        "def f():\n    from a import b\n    b()\n",
        [(AddImport, "c", "d", "from a import b")],
        "def f():\n    from a import b\n    from c import d\n    b()\n",
    ),
    "insert after": (
        "if x:\n    a()\nb()\n",
        [(InsertStatement, "a()", "c()")],
        "if x:\n    a()\n    c()\nb()\n",
    ),
    "insert before": (
        "if x:\n    # note\n    a()\n",
        [(InsertStatement, "a()", "c()", True)],
        "if x:\n    c()\n    # note\n    a()\n",
    ),
    "insert a block": (
        "a()\n",
        [(InsertStatement, "a()", "if y:\n    c()")],
        "a()\nif y:\n    c()\n",
    ),
    "set bases": (
        "class A(B, C):\n    pass\n",
        [(SetBases, "class A(B, C):\n    pass", ("D",))],
        "class A(D):\n    pass\n",
    ),
    "no bases": (
        "class A(B):\n    pass\n",
        [(SetBases, "class A(B):\n    pass", ())],
        "class A:\n    pass\n",
    ),
    "bases of a decorated class": (
        "@d\nclass A(B, metaclass=M):\n    pass\n",
        [(SetBases, "class A(B, metaclass=M):\n    pass", ())],
        "@d\nclass A(metaclass=M):\n    pass\n",
    ),
    "one of two context items": (
        "with a, b:\n    c()\n",
        [(RemoveWithItem, "with a, b:\n    c()", "a")],
        "with b:\n    c()\n",
    ),
    "the last context item": (
        'with a:  # note\n    x = """\n  kept\n"""\n    # own\n    y()\n    # end\nz()\n',
        [(RemoveWithItem, 'with a:  # note\n    x = """\n  kept\n"""\n    # own\n    y()', "a")],
        '# note\nx = """\n  kept\n"""\n# own\ny()\n# end\nz()\n',
    ),
    "a context on one line": ("with a: b()\n", [(RemoveWithItem, "with a: b()", "a")], "b()\n"),
    "into main": (
        "import os\n\nx = 1\nprint(x)\n",
        [(WrapInMain, "x = 1")],
        'import os\n\n\ndef main():\n    x = 1\n    print(x)\n\n\nif __name__ == "__main__":\n    main()\n',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_edit(name):
    before, group, after = CASES[name]
    assert edited(before, group) == after


@pytest.mark.parametrize("name", CASES)
def test_edits_of_several_findings_compose(name):
    before, group, after = CASES[name]
    assert edited(before, *[[edit] for edit in group]) == after


@pytest.mark.parametrize("name", CASES)
def test_edit_under_windows_line_endings(name):
    before, group, after = CASES[name]
    raw = before.replace("\n", "\r\n").encode()
    result = plan(raw, finding(*[build(raw, each) for each in group]))
    assert result.refused == ()
    assert result.after == after.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("name", CASES)
def test_edit_behind_a_byte_order_mark(name):
    before, group, after = CASES[name]
    raw = codecs.BOM_UTF8 + before.encode()
    result = plan(raw, finding(*[build(raw, each) for each in group]))
    assert result.refused == ()
    assert result.after == codecs.BOM_UTF8 + after.encode()


@pytest.mark.parametrize("name", CASES)
def test_edit_without_a_last_newline(name):
    before, group, after = CASES[name]
    raw = before.removesuffix("\n").encode()
    result = plan(raw, finding(*[build(raw, each) for each in group]))
    assert result.refused == ()
    assert result.after == after.removesuffix("\n").encode()


TOP_OF_FILE = {"into main", "add an import"}  # what stands above is part of what is edited
INDENTED = [name for name, (before, _, _) in CASES.items() if "\n    " in before and '"""' not in before]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "shift_jis", "cp1252"])
@pytest.mark.parametrize("name", sorted(CASES.keys() - TOP_OF_FILE))
def test_edit_after_other_letters(name, encoding):
    before, group, after = CASES[name]
    letters = "日本語" if encoding == "shift_jis" else "é ü ß"
    head = f'# -*- coding: {encoding} -*-\nnote = "{letters}"\n'
    start = head.encode(encoding)
    raw = start + before.encode()
    result = plan(raw, finding(*[_moved(build(before.encode(), each), len(start)) for each in group]))
    assert result.refused == ()
    assert result.after == start + after.encode()


@pytest.mark.parametrize("name", INDENTED)
def test_edit_under_tabs(name):
    before, group, after = CASES[name]
    raw = before.replace("    ", "\t").encode()
    spans = [(e[0], e[1].replace("    ", "\t") if isinstance(e[1], str) else e[1], *e[2:]) for e in group]
    result = plan(raw, finding(*[build(raw, each) for each in spans]))
    assert result.refused == ()
    assert result.after == after.replace("    ", "\t").encode()


@pytest.mark.parametrize("name", sorted(CASES.keys() - TOP_OF_FILE))
def test_untouched_neighbours_stay_byte_identical(name):
    before, group, _ = CASES[name]
    head, tail = "odd  =  [ 1,2 ,]   # kept\n", "\n\n\n\ntail  = ( 3 )\n"
    raw = (head + before + tail).encode()
    made = []
    for each in group:
        edit = build(before.encode(), each)
        made.append(_moved(edit, len(head.encode())))
    result = plan(raw, finding(*made))
    assert result.refused == ()
    assert result.after.startswith(head.encode())
    assert result.after.endswith(tail.encode())
    ast.parse(result.after)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_blank_lines_with_spaces_at_the_end_stay(name, newline):
    """libcst drops some of them."""
    before, group, after = CASES[name]
    tail = "\n \n\t\n\n  "
    raw = (before + tail).replace("\n", newline).encode()
    result = plan(raw, finding(*[build(raw, each) for each in group]))
    assert result.refused == ()
    assert result.after == (after + tail).replace("\n", newline).encode()


@pytest.mark.parametrize("last", ["x = 1 \\\n  \n", "x = 1 \\\n\n", "x = 1  # C:\\\n", "x = 1  # \\  \n"])
def test_a_backslash_before_the_blank_lines_at_the_end(last):
    """The line below it is still the statement's, unless it is in a comment."""
    tail = " \n\n\t\n"
    raw = (last + tail).encode()
    result = plan(raw, finding(InsertStatement(at(raw, "x = 1"), "g()")))
    assert result.refused == ()
    assert result.after == f"{last}g()\n{tail}".encode()


def _moved(edit: Edit, by: int) -> Edit:
    """The same edit further down the file."""
    values = {}
    for field in dataclasses.fields(edit):
        value = getattr(edit, field.name)
        values[field.name] = Span(value.start + by, value.end + by) if isinstance(value, Span) else value
    return type(edit)(**values)


def test_form_feeds_survive():
    raw = b"\x0cimport os\n\x0c\nclass A(B):\n    pass\n\x0c\nf(a=1, b=2)\n"
    result = plan(raw, finding(RemoveArgument(at(raw, "a=1"))))
    assert result.refused == ()
    assert result.after == b"\x0cimport os\n\x0c\nclass A(B):\n    pass\n\x0c\nf(b=2)\n"


@pytest.mark.parametrize(
    "source", ["x = 1\n\fclass A: pass\n", "\fx = 1\n", "x = 1\n\f\ny = 2\n", "x = 1\n\f"]
)
@pytest.mark.parametrize("before", [True, False])
def test_form_feeds_beside_a_new_statement_are_not_doubled(source, before):
    raw = source.encode()
    result = plan(raw, finding(InsertStatement(at(raw, "x = 1"), "g()", before=before)))
    assert result.refused == ()
    place = 0 if before else source.index("x = 1\n") + len("x = 1\n")
    assert result.after == f"{source[:place]}g()\n{source[place:]}".encode()


def test_mixed_line_endings_stay_where_they_are():
    raw = b"import os\r\nx = 1\nf(a=1, b=2)\r\ny = 2\n"
    result = plan(raw, finding(RemoveArgument(at(raw, "a=1"))))
    assert result.after == b"import os\r\nx = 1\nf(b=2)\r\ny = 2\n"


def test_windows_edit_in_a_multi_line_call():
    raw = b"f(\r\n    a=1,\r\n)\r\n"
    call = Span(0, raw.rindex(b")") + 1)
    result = plan(raw, finding(AddArgument(call, "b", "2")))
    assert result.after == b"f(\r\n    a=1,\r\n    b=2,\r\n)\r\n"
