"""Splices: minimal, and exact for any two texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.edits.model import Splice
from vllm_migrate.edits.splice import OverlapError, apply_splices, minimal_splices

TEXTS = st.text(alphabet="ab \n\ré日\x0c\x85", max_size=60)


@given(TEXTS, TEXTS)
def test_splices_turn_one_text_into_the_other(before, after):
    made = [
        Splice(len(before[:start].encode()), len(before[:end].encode()), text.encode())
        for start, end, text in minimal_splices(before, after)
    ]
    assert apply_splices(before.encode(), made) == after.encode()


@given(TEXTS)
def test_equal_texts_need_none(text):
    assert minimal_splices(text, text) == []


def test_only_what_differs_is_replaced():
    assert minimal_splices("a = 1\nb = 2\nc = 3\n", "a = 1\nb = 4\nc = 3\n") == [(10, 11, "4")]


def test_overlaps_are_an_error():
    with pytest.raises(OverlapError):
        apply_splices(b"abc", [Splice(0, 2, b"x"), Splice(1, 3, b"y")])
