"""The JSON that a reward's process writes reads back as what was written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.reward.calling.inside.json_text import json_text

_VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
)


@given(_VALUES)
def test_it_reads_back(value: Any) -> None:
    assert json.loads(json_text(value)) == value


def test_half_a_character_and_tuples_are_written_too() -> None:
    assert json.loads(json_text([(3, "\ud800")])) == [[3, "\ud800"]]
    assert json_text("é\n").isascii()
