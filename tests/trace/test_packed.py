from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vllm_migrate.audit.cause.evidence import LadderRun, Step, StepRun
from vllm_migrate.audit.evidence import EngineRun
from vllm_migrate.audit.result import Cause
from vllm_migrate.trace.model import Prompt, Rollout
from vllm_migrate.trace.packed import UnreadableError, fingerprint, read_packed, write_packed
from vllm_migrate.workers.protocol import Loaded, ReplayRecord

NUMBERS = st.one_of(
    st.lists(st.floats(allow_nan=False), max_size=20),
    st.lists(st.integers(-(2**80), 2**80), max_size=20),
    st.lists(st.integers(-9, 9), min_size=8, max_size=20),
)
SINGLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    st.one_of(SINGLE, NUMBERS, NUMBERS.map(tuple)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(SINGLE, st.lists(SINGLE, max_size=2).map(tuple)), inner, max_size=3),
        st.frozensets(SINGLE, max_size=4),
        st.sets(SINGLE, max_size=4),
    ),
    max_leaves=12,
)
SLOW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def types(value):
    """The value with the types that equality does not see: a list is no tuple, 1 is no 1.0, True is no 1."""
    if isinstance(value, dict):
        return [(types(key), types(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return (type(value), [types(item) for item in value])
    return type(value)


@given(value=VALUES)
@SLOW
def test_a_value_comes_back_as_it_was(tmp_path, value):
    path = tmp_path / "value.parquet"
    write_packed(value, path)
    found = read_packed(path)
    assert found == value
    assert types(found) == types(value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.parquet"]
    assert path.stat().st_mode & 0o077 == 0


def test_what_an_audit_keeps_comes_back(tmp_path):
    record = ReplayRecord([-0.5, -math.inf] * 8, [], [1, 2] * 8, [[1, 2]] * 16, [[-0.1, -3.0]] * 16)
    rollout = Rollout(0, 1, (4, 5), (-0.25, -1.0), "text", "stop", None, ((4, 5), (5, 4)))
    run = EngineRun(
        "candidate",
        "v1",
        {"dtype": "float32", "more": {"a": [1]}},
        Loaded("class", "runner", "0.32.0", {"max_num_seqs": 8}, 1.5),
        replay=[record],
        rollouts=(rollout,),
        rewards=[0.5],
    )
    step = Step(Cause.RAW_LOGPROBS, {"logprobs_mode": "processed_logprobs"})
    ladder = LadderRun(
        on_probe=True,
        chosen=list(range(20)),
        steps={"raw": step},
        runs={frozenset(): StepRun([record]), frozenset({"raw"}): StepRun([record], acted="2 of 16")},
        counterparts={("fp32-head",): [record]},
    )
    whole = (run, ladder, Prompt(0, "a", (1,), {"answer": None}), tmp_path)
    write_packed(whole, tmp_path / "p.parquet")
    assert read_packed(tmp_path / "p.parquet") == whole


def test_what_can_not_be_kept_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError, match="a object can't be kept"):
        write_packed({"a": [object()]}, tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        '{"other": 1}',
        '{"row": 7, "tuple": true}',
        '{"class": "vllm_migrate.trace.model:Prompt", "fields": {"unknown": 1}}',
        '{"class": "vllm_migrate.trace.packed:read_packed", "fields": {}}',
        '{"class": "vllm_migrate.cli.app:main", "fields": {}}',
        '{"class": "vllm_migrate.absent:Thing", "fields": {}}',
        '{"class": "subprocess:Popen", "fields": {"args": "true"}}',
        '{"enum": "vllm_migrate.trace.model:Prompt", "name": "a"}',
    ],
)
def test_a_file_of_another_kind_or_version_is_not_read(tmp_path, document):
    path = tmp_path / "p.parquet"
    columns = {"document": pa.array([document]), "floats": pa.array([None]), "integers": pa.array([None])}
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UnreadableError):
        read_packed(path)


def test_a_damaged_file_is_not_read(tmp_path):
    path = tmp_path / "p.parquet"
    write_packed(list(range(1000)), path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableError):
            read_packed(path)


def test_equal_values_have_equal_fingerprints():
    assert fingerprint({"a": (1, 2.0), "b": Path("x")}) == fingerprint({"a": (1, 2.0), "b": Path("x")})
    others = [
        {"a": [1, 2.0]},
        {"a": (1, 2)},
        {"a": (True, 2.0)},
        {"a": list(range(9))},
        {"a": tuple(range(9))},
    ]
    assert len({fingerprint(value) for value in others}) == len(others)
