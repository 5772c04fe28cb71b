from __future__ import annotations

import dataclasses
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vllm_migrate.errors import InputError
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.trace.parquet import read_trace, write_trace

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), TEXT)
SETTINGS = st.dictionaries(TEXT, PLAIN, max_size=3)
IDS = st.lists(st.integers(0, 2**31), min_size=1, max_size=5).map(tuple)
LOGPROB = st.one_of(st.floats(-1e6, 0), st.just(-math.inf))
EXTRA = ("raw", "trainer", "trainer_raw")
PROVENANCE = st.builds(
    Provenance,
    engine=TEXT,
    version=TEXT,
    engine_class=TEXT,
    runner=TEXT,
    settings=SETTINGS,
    engine_args=SETTINGS,
    sampling=SETTINGS,
    model=TEXT,
    tool=TEXT,
    created=TEXT,
    samples=st.integers(1, 9),
    seed=st.integers(0, 2**31),
    probe_sampling=SETTINGS,
    weights=TEXT,
    tokenizer=TEXT,
    chat_template=TEXT,
    expires=TEXT,
    tokens=TEXT,
    follows=TEXT,
    redacted=st.booleans(),
)


@st.composite
def rollouts_with_floor(draw, prompts):
    rollouts, floor = [], []
    for _ in range(draw(st.integers(0, 4))):
        ids = draw(IDS)
        logprobs = st.lists(LOGPROB, min_size=len(ids), max_size=len(ids)).map(tuple)
        rollouts.append(
            Rollout(
                prompt=draw(st.integers(0, prompts - 1)),
                sample=draw(st.integers(0, 8)),
                token_ids=ids,
                logprobs=draw(logprobs),
                text=draw(TEXT),
                finish_reason=draw(TEXT),
                reward=draw(st.one_of(st.none(), st.floats(allow_nan=False))),
                **{name: draw(logprobs) if draw(st.booleans()) else () for name in EXTRA},
            )
        )
        floor.append(draw(logprobs))
    return tuple(rollouts), tuple(floor) if draw(st.booleans()) else ()


@st.composite
def traces(draw):
    prompts = tuple(
        Prompt(
            index,
            draw(TEXT),
            draw(IDS),
            draw(SETTINGS),
            messages=tuple(draw(st.lists(SETTINGS, max_size=2))),
            template_arguments=draw(SETTINGS),
            stratum=draw(TEXT),
            group=draw(st.integers(-1, 3)),
        )
        for index in range(draw(st.integers(1, 4)))
    )
    rollouts, floor = draw(rollouts_with_floor(len(prompts)))
    probe, probe_floor = draw(rollouts_with_floor(len(prompts)))
    free, _ = draw(rollouts_with_floor(len(prompts)))
    greedy, _ = draw(rollouts_with_floor(len(prompts)))
    return Trace(draw(PROVENANCE), prompts, rollouts, floor, probe, probe_floor, free, greedy)


@given(trace=traces())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_trace_comes_back_as_it_was(tmp_path, trace):
    path = tmp_path / "trace.parquet"
    write_trace(trace, path)
    assert read_trace(path) == trace
    assert [entry.name for entry in tmp_path.iterdir()] == ["trace.parquet"]


@pytest.fixture
def trace():
    provenance = Provenance("v0", "0.8.5", "C", "v0", {}, {}, {}, "hash", "0.1", "now")
    rollout = Rollout(0, 0, (1, 2), (-0.5, -1.0), "ab", "stop")
    return Trace(provenance, (Prompt(0, "p", (5,), {"answer": "x"}),), (rollout,), ((-0.5, -1.0),))


def test_a_cut_file_and_another_file_are_refused(tmp_path, trace):
    path = tmp_path / "trace.parquet"
    write_trace(trace, path)
    whole = path.read_bytes()
    for size in (0, 3, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError) as caught:
            read_trace(path)
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message
    with pytest.raises(InputError, match="no trace at"):
        read_trace(tmp_path / "absent.parquet")


@pytest.mark.parametrize("position", range(8, 4000, 97))
def test_a_flipped_byte_never_ends_in_a_traceback(tmp_path, trace, position):
    path = tmp_path / "trace.parquet"
    write_trace(trace, path)
    damaged = bytearray(path.read_bytes())
    damaged[position % len(damaged)] ^= 0xFF
    path.write_bytes(damaged)
    try:
        read_trace(path)
    except InputError as error:
        assert "\n" not in error.message  # noqa: PT017 - either outcome is fine, a third is not


def test_parquet_of_someone_else_is_refused(tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="no trace of this tool"):
        read_trace(path)


def test_another_schema_is_refused(tmp_path, trace):
    path = tmp_path / "trace.parquet"
    write_trace(trace, path)
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, b"vllm-migrate.schema": b"vllm-migrate-trace/99"}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(InputError, match="vllm-migrate-trace/99"):
        read_trace(path)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": 7},
        {"logprobs": (-0.5,)},
        {"logprobs": (-0.5, math.nan)},
    ],
)
def test_parts_that_disagree_are_refused(tmp_path, trace, change):
    path = tmp_path / "trace.parquet"
    bad = dataclasses.replace(trace, rollouts=(dataclasses.replace(trace.rollouts[0], **change),))
    write_trace(bad, path)
    with pytest.raises(InputError, match="damaged trace"):
        read_trace(path)


def test_a_column_that_is_not_json_is_refused_before_anything_is_written(tmp_path, trace):
    prompt = dataclasses.replace(trace.prompts[0], columns={"answer": object()})
    with pytest.raises(InputError):
        write_trace(dataclasses.replace(trace, prompts=(prompt,)), tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there(tmp_path, trace):
    with pytest.raises(InputError, match="can't write"):
        write_trace(trace, tmp_path / "absent" / "t.parquet")
