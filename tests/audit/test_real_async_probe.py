"""Weight updates under the pause modes of a real AsyncLLM, by the probe of an audit, decoding forced."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_real_sync import no_progress, sampled

from vllm_migrate.audit.evidence import EngineRun
from vllm_migrate.audit.sync.conclude import judge_cases
from vllm_migrate.audit.sync.invariants import conclude_sync
from vllm_migrate.audit.sync.probe import SyncProbe
from vllm_migrate.audit.sync.sequences import TOKENS_IN_FLIGHT
from vllm_migrate.audit.sync.ways import PAUSES, parse_way
from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import UsageError
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"


@pytest.fixture(scope="module", params=["v1", "v1@0.18.1"])
def tried(request):
    """The probe, and what came up."""
    engine = registry.find(request.param)
    if engine is None:
        pytest.skip(f"engine {request.param} is not installed: vllm-migrate engines install {request.param}")
    with EngineClient(engine, variables={"OMP_NUM_THREADS": "1"}) as client:
        loaded = client.load(MODEL, {}, kind=wire.V1_ASYNC)
        run = EngineRun("async-engine", "v1, AsyncLLM", {}, loaded)
        trace = sampled(client)
        with SyncProbe(MODEL, level=PAUSES, way=None, seed=0, asynchronous=True) as probe:
            probe.hot(client, run, trace, no_progress)
            probe.cold(client)
        with pytest.raises(UsageError, match="updates in flight come in a pause"):
            client.sync_replay(in_flight_without_a_pause())
    return probe.found, loaded


def in_flight_without_a_pause():
    update = sync_wire.UpdateRequest(sync_wire.RELOAD, str(MODEL))
    return sync_wire.SyncReplayRequest([[1, 2]], [[3]], wire.SamplingSettings(), update=update, after=1)


def test_every_mode_was_tried_in_the_asynchronous_engine(tried):
    found, loaded = tried
    assert loaded.engine_class == "vllm.v1.engine.async_llm.AsyncLLM"
    assert loaded.runner == "v1-model-runner"
    assert (found.note, found.asynchronous) == ("", True)
    assert found.old == found.old_again
    assert [str(case.run.case.way) for case in judge_cases(found) if case.tried] == [
        "pause-keep",
        "pause-keep+reset",
        "pause-abort",
        "pause-abort+reset",
        "pause-wait",
        "pause-wait+reset",
    ]


def test_without_clearing_every_row_is_stale_and_with_it_none(tried):
    for case in judge_cases(tried[0]):
        assert (case.clean.equal, case.sums) == (True, ()), case.shown
        assert case.shown.moved > 1e-3
        if case.run.case.way.clear:
            assert (case.shown.stale, case.shown.differing) == (False, 0)
        else:
            assert case.shown.cached > 0
            assert case.shown.stale is True


def test_running_requests_are_kept_aborted_or_waited_for(tried):
    for case in judge_cases(tried[0]):
        lengths = [len(record.logprobs) for record in case.run.flight]
        before = [record.before for record in case.run.flight]
        if case.run.case.way.mode == "pause-wait":
            assert before == lengths == [TOKENS_IN_FLIGHT] * len(before)
        elif case.run.case.way.mode == "pause-abort":
            assert lengths == [0] * len(before)
            assert all(0 < count < TOKENS_IN_FLIGHT for count in before)
        else:
            assert lengths == [TOKENS_IN_FLIGHT] * len(before)
            assert case.shown.flight_mixed == len(before)
            kept = "went on over" if not case.run.case.way.clear else "computed anew"
            assert kept in case.shown.note


def test_its_rows_decide_like_those_of_one_process(tried):
    found, _ = tried
    stale = conclude_sync([found], parse_way("pause-keep"))
    assert [entry.name for entry in stale.invariants if entry.holds is False] == ["no-stale-prefix"]
    clean = conclude_sync([found], parse_way("pause-keep+reset"))
    assert all(entry.holds for entry in clean.invariants)
