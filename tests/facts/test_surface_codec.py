"""The store gives back what was put in, whatever the history of a symbol."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.errors import FactsError
from vllm_migrate.facts.surface.codec import covers, encode, format_ranges, last_index, split_shards
from vllm_migrate.facts.surface.store import Table

values = st.one_of(
    st.sampled_from(["f", "c", "vllm.a:B!"]), st.lists(st.sampled_from(["x", "y=1"]), max_size=2)
)
names = st.sampled_from(["A", "b", "A.c", '"', "ü", "*", "0-3"])
modules = st.sampled_from(["vllm", "vllm.a", "vllm.a.b", "vllm.model_executor.layers.x", "%flags"])
releases = st.lists(
    st.dictionaries(modules, st.dictionaries(names, values, max_size=4)), min_size=1, max_size=6
).filter(any)


@given(releases)
def test_every_release_comes_back(tables: list[dict[str, dict[str, Any]]]) -> None:
    table = Table(encode(tables), "test")
    assert set(table.modules()) == set().union(*tables)
    for index, original in enumerate(tables):
        for module in table.modules():
            assert table.at(module, index) == original.get(module)


@given(releases, names)
def test_the_search_misses_no_module(tables: list[dict[str, dict[str, Any]]], name: str) -> None:
    table = Table(encode(tables), "test")
    holding = {module for release in tables for module, entries in release.items() if name in entries}
    if name not in {'"', "ü"}:  # identifiers only: JSON writes others in another way
        assert holding <= set(table.mentioning(name))


@given(st.sets(st.integers(0, 30)), st.integers(31, 40))
def test_ranges(indices: set[int], count: int) -> None:
    text = format_ranges(sorted(indices), count)
    if indices:
        assert {i for i in range(count) if covers(text, i)} == indices


def test_ranges_are_half_open_and_the_newest_stays_open() -> None:
    assert format_ranges([0, 1, 2, 5, 6], 7) == "0-3,5-"
    assert format_ranges([0], 2) == "0-1"


def test_the_newest_release_that_had_a_name() -> None:
    tables = [{"m": {"A": "c", "B": "f"}}, {"m": {"A": "v", "B": "f"}}, {"m": {"B": "f"}}, {}]
    payload = Table(encode(tables), "test").payload("m")
    assert payload is not None
    assert last_index(payload, "A", 4) == 1
    assert last_index(payload, "B", 4) == 2
    assert last_index(payload, None, 4) == 2
    assert last_index(payload, "C", 4) is None
    assert last_index(payload, "A", 0) is None


def test_damaged_data_is_one_clear_error() -> None:
    data = encode([{"vllm.a": {"A": "c"}}])
    for broken in (b"", b"nothing", data[:-3], data.replace(b"{", b"[", 1), b"[1]\n"):
        with pytest.raises(FactsError, match="damaged"):
            split_shards(broken, "vllm/names.z")
    header, _, body = data.partition(b"\n")
    garbled = Table(b"\n".join([header, b"x" * len(body)]), "vllm/names.z")
    with pytest.raises(FactsError, match=r"vllm/names\.z"):
        garbled.at("vllm.a", 0)
    not_text = zlib.compress(b"\xff\xfe")
    with pytest.raises(FactsError, match="damaged"):
        Table(b'{"vllm.a": %d}\n%s' % (len(not_text), not_text), "vllm/names.z").at("vllm.a", 0)
