"""Decoding, parsing and byte positions of Python files, and the byte test before them."""

from __future__ import annotations

import ast
import codecs
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.errors import InputError
from vllm_migrate.files.positions import SourceText, UnreadableTextError, newline_of, python_encoding
from vllm_migrate.files.prefilter import syncs_weights, trains, worth_parsing
from vllm_migrate.files.python import parse_python

PATH = PurePosixPath("a.py")
WORDS = st.lists(
    st.sampled_from(
        ["x", "é", "ß = 1", "'日本'", "\t", "\x0c", "\n", "\r\n", "\r", " # ü\n", "(a,\n b)", "; "]
    ),
    max_size=20,
).map("".join)


@given(WORDS, st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "cp1252", "shift_jis"]))
def test_spans_cut_out_what_was_parsed(text, encoding):
    head = "" if encoding == "utf-8-sig" else f"# coding: {encoding}\n"
    try:
        source = (head + text).encode(encoding)
        parsed = parse_python(PATH, source)
    except (UnicodeEncodeError, InputError):
        return
    for node in ast.walk(parsed.module):
        if isinstance(node, (ast.Name, ast.Constant)):
            span = parsed.text.span(node)
            written = source[span.start : span.end].decode(encoding)
            assert (
                ast.literal_eval(written) == node.value
                if isinstance(node, ast.Constant)
                else written == node.id
            )


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        (b"x = 1\n", "utf-8"),
        (b"# -*- coding: latin-1 -*-\n", "iso8859-1"),
        (b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
        (b"x = 1\n# coding: latin-1\n", "utf-8"),
        (codecs.BOM_UTF8 + b"# coding: utf-8\n", "utf-8"),
    ],
)
def test_encoding_is_the_declared_one(source, encoding):
    assert python_encoding(source) == encoding


@pytest.mark.parametrize("source", [b"# coding: klingon\n", codecs.BOM_UTF8 + b"# coding: latin-1\n"])
def test_a_bad_declaration_is_unreadable(source):
    with pytest.raises(UnreadableTextError):
        python_encoding(source)


@pytest.mark.parametrize(
    "source", [b"x = (\n", b"x = '\xff'\n", b"# coding: klingon\n", b"\x00", b"print 'old'\n", b"(" * 5000]
)
def test_what_is_no_python_is_an_input_error_with_its_path(source):
    with pytest.raises(InputError, match=r"a\.py"):
        parse_python(PATH, source)


def test_a_users_bad_escape_is_not_our_warning():
    assert parse_python(PATH, b'x = "\\d"\n').module.body


@pytest.mark.parametrize(
    ("source", "newline"),
    [(b"a\nb\r\n", "\r\n"), (b"a\nb\nc\r\n", "\n"), (b"", "\n"), (b"a\r\nb\r\nc\n", "\r\n")],
)
def test_the_usual_line_ending(source, newline):
    assert newline_of(source) == newline


def test_a_mark_counts_in_offsets():
    text = SourceText(codecs.BOM_UTF8 + b"x\ny\n", "utf-8")
    assert text.line_starts == [3, 5, 7]
    assert text.utf8_offset(5) == 2


@pytest.mark.parametrize(
    "source",
    [
        b"import vllm\n",
        b"import os, vllm\n",
        b"    from vllm.utils import x\n",
        b"if x: import vllm\n",
        b"from trl import GRPOConfig\n",
        b'patch("vllm.worker.worker.Worker")\n',
        b'os.environ["VLLM_USE_V1"] = "0"\n',
        b"x.llm_engine.model_executor\n",
        b'setup(install_requires=["vllm==0.8.5"])\n',
        b'requires = ["vllm[audio] >= 0.8"]\n',
        b"x = 1  # vllm-migrate: ignore\n",
    ],
)
def test_worth_parsing(source):
    assert worth_parsing(source)


@pytest.mark.parametrize(
    "source",
    [
        b"import torch\n",
        b'if backend == "vllm":\n    pass\n',
        b"# taken from https://github.com/vllm-project/vllm\n",
        b"control = ctrl\n",
        b"prompt_token_ids = []\n",
        b"",
    ],
)
def test_not_worth_parsing(source):
    assert not worth_parsing(source)


def test_names_of_the_project_make_a_file_worth_parsing():
    assert worth_parsing(b"engine = Engine()\n", frozenset({"Engine"}))


def test_signs_of_use_in_files_that_name_no_vllm():
    assert trains(b"loss.backward()\n")
    assert syncs_weights(b"# vllm\nengine.update_weight.remote(n)\n")
    assert not syncs_weights(b"model.load_weights(x)\n")
