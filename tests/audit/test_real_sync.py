"""Weight updates in real live engines: what goes stale, what does not, and a sync that never happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from vllm_migrate.audit.evidence import EngineRun
from vllm_migrate.audit.result import Cause
from vllm_migrate.audit.sync.conclude import judge_cases
from vllm_migrate.audit.sync.invariants import conclude_sync
from vllm_migrate.audit.sync.probe import COLD_SLOT, SyncProbe
from vllm_migrate.audit.sync.ways import SyncWay, parse_way
from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.prompts.files import read_prompts
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

pytestmark = pytest.mark.engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
MODEL = FIXTURES / "model"


class Tried:
    """One engine, probed in every way it offers, and once more as if a sync had been forgotten."""

    def __init__(self, spec):
        engine = registry.find(spec)
        if engine is None:
            pytest.skip(f"engine {spec} is not installed: vllm-migrate engines install {spec}")
        with EngineClient(engine, variables={"OMP_NUM_THREADS": "1"}) as client:
            loaded = client.load(MODEL, {})
            run = EngineRun("candidate", spec, {}, loaded)
            trace = sampled(client)
            with SyncProbe(MODEL, level="all", way=None, seed=0) as probe:
                probe.hot(client, run, trace, no_progress)
                probe.cold(client)
            self.probe = probe.found
            self.left = probe._changed
            with SyncProbe(MODEL, level="auto", way=SyncWay(sync_wire.NONE), seed=0) as skipped:
                back = sync_wire.RELOAD if engine.generation == "v1" else sync_wire.IN_PLACE
                client.update(sync_wire.UpdateRequest(back, str(MODEL), clear=True))
                skipped.hot(client, run, trace, no_progress)
                skipped.cold(client, COLD_SLOT + "-skipped")
            self.skipped = skipped.found
        self.cases = judge_cases(self.probe)

    def case(self, way, *, caching=True, head="", after=None):
        """The case of a way; whether an update came in flight says `after`."""
        found = [
            case
            for case in self.cases
            if case.run.case.way == parse_way(way)
            and case.run.case.caching == caching
            and case.run.case.head == head
            and (after is None or bool(case.run.case.after) == after)
        ]
        assert len(found) >= 1, [str(case.run.case) for case in self.cases]
        return found[0]


def no_progress(done, total):
    assert 0 <= done <= total


def sampled(client):
    texts = [line.text for line in read_prompts(FIXTURES / "prompts.jsonl", limit=8)]
    ids = client.tokenize(texts)
    settings = wire.SamplingSettings(temperature=1.0, max_tokens=20, seed=0)
    prompts = tuple(
        Prompt(number, text, tuple(tokens), {})
        for number, (text, tokens) in enumerate(zip(texts, ids, strict=True))
    )
    rollouts = tuple(
        Rollout(r.prompt, r.sample, tuple(r.token_ids), tuple(r.logprobs), r.text, r.finish_reason)
        for r in client.generate(wire.GenerateRequest(ids, settings, n=2))
    )
    made = Provenance("v1", "", "", "", {}, {}, {}, "", "", "", samples=2, seed=0, probe_sampling={})
    return Trace(made, prompts, rollouts)


@pytest.fixture(scope="module", params=["v1", "v1@0.18.1"])
def v1(request):
    return Tried(request.param)


@pytest.fixture(scope="module")
def v0():
    return Tried("v0")


def test_the_probe_ran_to_its_end(v1):
    assert v1.probe.note == ""
    untried = {case.run.case.way.mode for case in v1.cases if not case.tried}
    assert untried == {sync_wire.IN_PLACE, sync_wire.TRANSFER}
    assert not v1.left.exists()


def test_the_engine_repeats_itself_and_the_change_is_seen(v1):
    assert v1.probe.old == v1.probe.old_again
    assert v1.probe.cold[""].first == v1.probe.cold[""].again
    assert v1.case("reload").shown.moved > 1e-3


@pytest.mark.parametrize("way", ["reload", "reload-tensors", "pause-keep", "pause-abort", "pause-wait"])
def test_without_a_reset_the_prefix_cache_is_stale(v1, way):
    case = v1.case(way)
    assert case.shown.cached > 0
    assert (case.clean.equal, case.warm.equal, case.sums) == (True, False, ())
    assert case.shown.stale is True
    assert case.shown.differing > 0


@pytest.mark.parametrize(
    "way",
    [
        "reload+reset",
        "reload-tensors+reset",
        "pause-keep+reset",
        "pause-abort+reset",
        "pause-wait+reset",
        "sleep-wake",
    ],
)
def test_with_a_reset_every_bit_is_a_cold_engines(v1, way):
    case = v1.case(way)
    assert (case.shown.stale, case.shown.differing, case.shown.max_abs, case.sums) == (False, 0, 0.0, ())


def test_without_caching_nothing_can_be_stale(v1):
    case = v1.case("reload", caching=False)
    assert (case.shown.cached, case.shown.differing) == (0, 0)


def test_running_sequences_keep_the_old_cache_or_are_computed_anew(v1):
    kept, cleared, aborted = v1.case("pause-keep"), v1.case("pause-keep+reset"), v1.case("pause-abort")
    assert kept.shown.flight_mixed == cleared.shown.flight_mixed == len(v1.probe.old)
    assert kept.shown.flight_old == cleared.shown.flight_old > 0
    assert "went on over the old weights' cache" in kept.shown.note
    assert "computed anew" in cleared.shown.note
    assert (aborted.shown.flight_new, aborted.shown.flight_mixed) == (0, 0)
    waited = v1.case("pause-wait")
    assert (waited.shown.flight_new, waited.shown.flight_mixed) == (0, 0)


def test_tokens_before_an_update_in_flight_are_the_old_weights_own(v1):
    for record, old in zip(v1.case("pause-keep").run.flight, v1.probe.old, strict=True):
        assert record.before > 0
        assert tuple(record.logprobs[: record.before]) == old[: record.before]


def test_a_head_in_fp32_is_not_stale(v1):
    case = v1.case("reload+reset", head="float32")
    assert (case.shown.stale, case.shown.differing) == (False, 0)
    assert v1.probe.cold["float32"].first != v1.probe.cold[""].first


def test_a_cpu_build_that_drops_weights_refuses_to_load_in_place(v1):
    assert "nothing to write into" in v1.case("in-place").shown.note.replace("\n", " ")


def test_a_forgotten_sync_is_caught(v1):
    found = conclude_sync([v1.skipped], SyncWay(sync_wire.NONE))
    held = {entry.name: entry.holds for entry in found.invariants}
    assert held["weights-match"] is held["same-tokens-after-sync"] is False
    assert found.cause is Cause.SKIPPED_SYNC


def test_the_way_decides_the_verdict(v1):
    stale = conclude_sync([v1.probe], parse_way("reload"))
    assert [entry.name for entry in stale.invariants if entry.holds is False] == ["no-stale-prefix"]
    assert stale.cause is Cause.STALE_PREFIX_CACHE
    clean = conclude_sync([v1.probe], parse_way("reload+reset"))
    assert all(entry.holds for entry in clean.invariants)


def test_v0_is_updated_in_place(v0):
    assert v0.probe.note == ""
    for way in ("in-place", "in-place+reset"):
        case = v0.case(way, caching=False)
        assert (case.shown.differing, case.sums) == (0, ())
        assert case.shown.moved > 1e-3
    cached = v0.case("in-place", caching=True)
    assert cached.shown.stale or "only with intel-extension-for-pytorch" in cached.shown.note
    assert conclude_sync([v0.skipped], SyncWay(sync_wire.NONE)).cause is Cause.SKIPPED_SYNC
