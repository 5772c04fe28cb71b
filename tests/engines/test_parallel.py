"""Parallel engines on a CPU: every rank a process, forced, flipped and updated as one engine."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

import pytest

from vllm_migrate.audit.sync.changed_weights import write_changed
from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import InputError
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"
TENSOR, PIPELINE = "tensor_parallel_size", "pipeline_parallel_size"
FLOAT_NOISE = 1e-4
"""Nats; float32 sums in another order. Seen were 8e-6 with two ranks and 0 with two stages."""

PROMPTS = [[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [2, 7, 1, 8, 2, 8, 100, 200], [1, 6, 1, 8] * 40, [9] * 5]
COMPLETIONS = [[4, 700, 3, 2, 1, 9, 9, 8], [17, 18], [5] * 20, [11, 1, 2, 3]]
SAMPLING = wire.SamplingSettings(temperature=0.9, top_p=0.9, repetition_penalty=1.1, max_tokens=10, seed=1)
PLAIN = wire.SamplingSettings(temperature=0.7)


def named_segments(group):
    """Shared memory of a worker's processes that would be left behind if they were killed."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(process.name)) == group:
                lines = (process / "maps").read_text().splitlines()
                found += [line for line in lines if "/psm_" in line or "cpushm" in line]
    return [line for line in found if not line.endswith("(deleted)")], len(found)


class Measured:
    """One engine, asked everything that an audit asks of it."""

    def __init__(self, spec, arguments, changed):
        engine = registry.find(spec)
        if engine is None:
            pytest.skip(f"engine {spec} is not installed: vllm-migrate engines install {spec}")
        self.v1 = engine.generation == "v1"
        with EngineClient(engine, variables={"OMP_NUM_THREADS": "1"}) as client:
            self.loaded = client.load(MODEL, {"dtype": "float32", **arguments})
            self.named = named_segments(client.hello()["pid"])
            request = wire.ReplayRequest(PROMPTS, COMPLETIONS, PLAIN)
            self.forced = client.replay(request)
            self.processed_flip = client.flip("logprobs_mode", "processed_logprobs")
            self.processed = client.replay(request)
            self.prefill = client.replay(wire.ReplayRequest(PROMPTS, COMPLETIONS, PLAIN, path="prefill"))
            self.narrow = client.replay(wire.ReplayRequest(PROMPTS, COMPLETIONS, PLAIN, max_num_seqs=1))
            client.observe()
            client.replay(wire.ReplayRequest(PROMPTS, COMPLETIONS, PLAIN, max_num_seqs=1))
            self.counts = client.observe()
            self.sampled = client.generate(wire.GenerateRequest(PROMPTS, SAMPLING, n=2, top=3, top_prompts=1))
            self.head_flip = client.flip("head_dtype", "bfloat16" if self.v1 else "float32")
            self.head = client.replay(request)
            client.flip("head_dtype", "float32")
            self.sums = client.checksum()
            way = sync_wire.RELOAD if self.v1 else sync_wire.IN_PLACE
            self.update = client.update(sync_wire.UpdateRequest(way, str(changed), clear=True))
            self.after = client.replay(request)
            self.sums_after = client.checksum()
            with pytest.raises(InputError, match="outside the model's vocabulary"):
                client.replay(wire.ReplayRequest([[1]], [[100_000]], PLAIN))
            client.update(sync_wire.UpdateRequest(way, str(MODEL), clear=True))
            flight = sync_wire.UpdateRequest(
                sync_wire.PAUSE_KEEP if self.v1 else sync_wire.IN_PLACE, str(changed), clear=self.v1
            )
            self.flight, self.flight_report = client.sync_replay(
                sync_wire.SyncReplayRequest(PROMPTS, COMPLETIONS, PLAIN, update=flight, after=3)
            )


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    write_changed(MODEL, folder, seed=0)
    return folder


@pytest.fixture(scope="module", params=["v1", "v1@0.18.1", "v0"])
def spec(request):
    return request.param


@pytest.fixture(scope="module")
def one(spec, changed):
    return Measured(spec, {}, changed)


@pytest.fixture(scope="module", params=[{TENSOR: 2}, {PIPELINE: 2}], ids=["tensor", "pipeline"])
def both(request, spec, one, changed):
    """An engine of one process and a parallel one."""
    if spec == "v0" and PIPELINE in request.param:
        pytest.skip("V0 has pipelines in its asynchronous engine only")
    return one, Measured(spec, request.param, changed)


def apart(left, right, what="logprobs"):
    """Largest difference; infinities must be where the other's are."""
    pairs = [
        pair
        for ours, theirs in zip(left, right, strict=True)
        for pair in zip(getattr(ours, what), getattr(theirs, what), strict=True)
    ]
    assert pairs
    assert all(math.isfinite(a) == math.isfinite(b) for a, b in pairs)
    return max(abs(a - b) for a, b in pairs if math.isfinite(a))


def test_the_report_says_how_many_ranks_there_are(both):
    one, parallel = both
    assert TENSOR not in one.loaded.settings
    settings = parallel.loaded.settings
    assert settings[TENSOR] * settings[PIPELINE] == 2
    assert parallel.loaded.runner == one.loaded.runner


def test_nothing_is_left_behind_in_shared_memory(both):
    left, there = both[1].named
    assert there > 0
    assert left == []


def test_every_forced_id_comes_out_with_the_logprobs_of_one_process(both):
    one, parallel = both
    assert [record.emitted for record in parallel.forced] == COMPLETIONS
    assert apart(one.forced, parallel.forced) < FLOAT_NOISE
    assert apart(one.forced, parallel.forced, "raw") < FLOAT_NOISE
    assert [len(record.raw) for record in parallel.forced] == [len(tokens) for tokens in COMPLETIONS]
    assert apart(one.prefill, parallel.prefill) < FLOAT_NOISE


def test_the_same_seed_draws_the_same_tokens(both):
    one, parallel = both
    assert [r.token_ids for r in parallel.sampled] == [r.token_ids for r in one.sampled]
    assert parallel.sampled[0].top_ids == one.sampled[0].top_ids


def test_settings_of_the_sampler_and_of_the_scheduler_are_flipped(both):
    one, parallel = both
    assert parallel.processed_flip == one.processed_flip
    assert apart(one.processed, parallel.processed) < FLOAT_NOISE
    if one.v1:
        assert apart(parallel.forced, parallel.processed) > 0.01
    assert apart(one.narrow, parallel.narrow) < FLOAT_NOISE
    assert parallel.counts["max_rows"] == 1


def test_the_head_is_flipped_in_every_rank(both):
    one, parallel = both
    assert parallel.head_flip == one.head_flip
    if one.v1 and one.head_flip["live"]:
        assert apart(parallel.head, parallel.processed) > 1e-4
        assert apart(one.head, parallel.head) < 0.1


def test_an_update_reaches_every_rank(both):
    one, parallel = both
    assert parallel.update.done
    assert apart(parallel.after, parallel.processed) > 1e-3
    assert apart(one.after, parallel.after) < FLOAT_NOISE
    assert {name.split(".")[0] for name in parallel.sums.tensors} == {"rank0", "rank1"}
    assert not parallel.sums.unread
    before, after = parallel.sums.tensors, parallel.sums_after.tensors
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_an_update_in_flight(both):
    """With stages several steps are under way, so fewer tokens are out after as many steps."""
    one, parallel = both
    assert parallel.flight_report.done
    assert any(0 < record.before < len(record.logprobs) for record in parallel.flight)
    apart_by = []
    for ours, theirs in zip(one.flight, parallel.flight, strict=True):
        assert abs(ours.before - theirs.before) <= 1
        both_ways = (
            *range(min(ours.before, theirs.before)),
            *range(max(ours.before, theirs.before), len(ours.logprobs)),
        )
        apart_by += [abs(ours.logprobs[place] - theirs.logprobs[place]) for place in both_ways]
    assert max(apart_by) < FLOAT_NOISE
