"""What follows from a weight sync probe, on plain values: stale caches, skipped syncs, noise, gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vllm_migrate.audit.result import AuditResult, Cause, Verdict
from vllm_migrate.audit.sync.conclude import distance, judge_cases, match, sign_flip
from vllm_migrate.audit.sync.evidence import CaseRun, ColdRun, EngineProbe
from vllm_migrate.audit.sync.invariants import apply_findings, conclude_sync
from vllm_migrate.audit.sync.ways import Case, SyncWay, parse_way
from vllm_migrate.workers.sync_protocol import Checksums, SyncRecord

RELOAD, RESET = SyncWay("reload"), SyncWay("reload", clear=True)
SEQUENCES, TOKENS = 16, 12
RANDOM = np.random.default_rng(0)
OLD = tuple(tuple(row) for row in RANDOM.normal(-2, 1, (SEQUENCES, TOKENS)))
NEW = tuple(tuple(value + 0.05 for value in row) for row in OLD)
STALE = tuple(tuple(value + 1e-6 for value in row) for row in NEW)
WEIGHTS_OLD = Checksums({"a": "1", "b": "2"})
WEIGHTS_NEW = Checksums({"a": "3", "b": "4"})


def noisy(rows, size, seed):
    random = np.random.default_rng(seed)
    return tuple(tuple(value + size * random.standard_normal() for value in row) for row in rows)


def run(way, *, warm, clean=NEW, caching=True, sums=WEIGHTS_NEW, cached=200, **more):
    return CaseRun(Case(way, caching), old=OLD, warm=warm, clean=clean, cached=cached, checksums=sums, **more)


def probe(*runs, cold=None, **more):
    cold = cold or ColdRun(NEW, NEW, NEW, NEW, cached_first=100, cached_warm=200)
    return EngineProbe(
        "v1",
        "0.32.0",
        more.pop("device", "cpu"),
        prefix_caching=True,
        block_size=32,
        old=OLD,
        old_again=more.pop("old_again", OLD),
        runs=list(runs),
        cold={"": cold},
        cold_checksums=WEIGHTS_NEW,
        **more,
    )


def invariants(found):
    return {entry.name: entry for entry in found.invariants}


def result(verdict=Verdict.PASS, cause=Cause.NONE):
    return AuditResult(
        verdict=verdict,
        reason="pass" if verdict is Verdict.PASS else "divergence",
        cause=cause,
        cause_evidence="the first reason" if cause is not Cause.NONE else "",
        settings={"logprobs_mode": "processed_logprobs"} if cause is not Cause.NONE else {},
        remedy=None,
        reward=None,
        arms=(),
        timing={},
    )


def test_a_stale_cache_far_below_bf16_noise_fails_the_candidate():
    found = conclude_sync([probe(run(RELOAD, warm=STALE))], RELOAD)
    held = {name: entry.holds for name, entry in invariants(found).items()}
    assert held == {
        "repeats-itself": True,
        "weights-match": True,
        "same-tokens-after-sync": True,
        "no-stale-prefix": False,
    }
    judged = apply_findings(result(), found)
    assert (judged.verdict, judged.reason) == (Verdict.FAIL, "invariant")
    assert judged.cause is Cause.STALE_PREFIX_CACHE
    assert judged.settings == {"enable_prefix_caching": False}
    assert judged.advice[0].settings == {"enable_prefix_caching": False}
    case = judged.sync[0]
    assert (case.stale, case.differing, case.cached) == (True, SEQUENCES * TOKENS, 200)
    assert case.mean_abs == pytest.approx(1e-6)
    assert case.moved == pytest.approx(0.05)


def test_the_same_with_a_reset_passes():
    runs = [run(RESET, warm=NEW, cached=100), run(RELOAD, warm=STALE)]
    judged = apply_findings(result(), conclude_sync([probe(*runs)], RESET))
    assert judged.verdict is Verdict.PASS
    assert [case.stale for case in judged.sync] == [False, True]
    assert all(entry.holds for entry in judged.invariants)


def test_a_skipped_sync_is_named():
    skipped = run(RELOAD, warm=OLD, clean=OLD, sums=WEIGHTS_OLD)
    found = conclude_sync([probe(skipped)], RELOAD)
    assert invariants(found)["weights-match"].value == 2
    judged = apply_findings(result(), found)
    assert judged.verdict is Verdict.FAIL
    assert judged.cause is Cause.SKIPPED_SYNC
    assert "old weights still answer" in judged.cause_evidence
    assert judged.settings == {}


def test_weights_that_are_neither_old_nor_new_are_not_called_skipped():
    halfway = tuple(tuple(value + 0.5 for value in row) for row in NEW)
    found = conclude_sync([probe(run(RELOAD, warm=halfway, clean=halfway, sums=WEIGHTS_OLD))], RELOAD)
    assert found.cause is Cause.WEIGHTS_OR_DTYPE


def test_without_a_known_way_a_stale_one_is_told_and_does_not_gate():
    found = conclude_sync([probe(run(RELOAD, warm=STALE), run(RESET, warm=NEW))], None)
    assert invariants(found)["no-stale-prefix"].holds is None
    assert "reload" in invariants(found)["no-stale-prefix"].note
    assert any("--sync" in line for line in found.warnings)
    assert apply_findings(result(), found).verdict is Verdict.PASS


def test_without_a_known_way_weights_that_do_not_arrive_gate():
    found = conclude_sync([probe(run(RELOAD, warm=OLD, clean=OLD, sums=WEIGHTS_OLD))], None)
    assert apply_findings(result(), found).verdict is Verdict.FAIL


def test_a_way_that_the_engine_does_not_offer_is_told_and_does_not_gate():
    refused = CaseRun(Case(SyncWay("pause-keep"), caching=True), why="no pause modes")
    found = conclude_sync([probe(run(RESET, warm=NEW), refused)], SyncWay("pause-keep"))
    assert invariants(found)["no-stale-prefix"].holds is None
    assert any("no pause modes" in line for line in found.warnings)
    assert apply_findings(result(), found).verdict is Verdict.PASS


@pytest.mark.parametrize(("way", "verdict"), [("in-place", Verdict.FAIL), ("in-place+reset", Verdict.PASS)])
def test_a_reload_stands_in_where_nothing_can_be_loaded_in_place(way, verdict):
    refused = CaseRun(Case(parse_way(way), caching=True), why="nothing to write into")
    found = conclude_sync([probe(run(RELOAD, warm=STALE), run(RESET, warm=NEW), refused)], parse_way(way))
    assert apply_findings(result(), found).verdict is verdict
    assert any("stands in for it" in line for line in found.warnings)


KEEP = SyncWay("pause-keep")


def behind_async_llm(*runs, **more):
    return replace(probe(*runs, **more), engine="v1, AsyncLLM", asynchronous=True)


def test_the_asynchronous_engine_gates_for_the_way_of_the_user():
    here, there = run(KEEP, warm=NEW), run(KEEP, warm=STALE)
    found = conclude_sync([probe(here), behind_async_llm(there)], KEEP)
    assert invariants(found)["no-stale-prefix"].holds is False
    assert found.cause is Cause.STALE_PREFIX_CACHE
    assert apply_findings(result(), found).verdict is Verdict.FAIL
    assert [case.engine for case in found.cases] == ["v1", "v1, AsyncLLM"]
    assert any("pause-keep leaves stale blocks in the asynchronous engine" in w for w in found.warnings)
    assert apply_findings(result(), conclude_sync([probe(here)], KEEP)).verdict is Verdict.PASS


def test_where_both_engines_end_alike_nothing_more_is_said():
    found = conclude_sync([probe(run(KEEP, warm=STALE)), behind_async_llm(run(KEEP, warm=STALE))], KEEP)
    assert not found.warnings
    held = conclude_sync([probe(run(KEEP, warm=NEW)), behind_async_llm(run(KEEP, warm=NEW))], KEEP)
    assert all(entry.holds for entry in held.invariants)


def test_an_asynchronous_engine_that_did_not_come_up_is_told():
    found = conclude_sync([probe(run(KEEP, warm=NEW)), behind_async_llm(note="no such option")], KEEP)
    assert found.warnings == ("weight updates in v1, AsyncLLM: no such option",)
    assert apply_findings(result(), found).verdict is Verdict.PASS


def test_ways_of_the_asynchronous_engine_are_told_where_the_users_is_not_known():
    found = conclude_sync([probe(run(RESET, warm=NEW)), behind_async_llm(run(KEEP, warm=STALE))], None)
    assert "stale after pause-keep" in invariants(found)["no-stale-prefix"].note
    assert apply_findings(result(), found).verdict is Verdict.PASS


def test_a_probe_that_never_ran_says_why():
    found = conclude_sync([replace(probe(), note="no room on disk")], RELOAD)
    assert all(entry.holds is None and "no room" in entry.note for entry in found.invariants)
    assert found.warnings == ("the weight sync probe was not run: no room on disk",)


def test_a_cause_found_against_the_reference_stays_first():
    found = conclude_sync([probe(run(RELOAD, warm=STALE))], RELOAD)
    judged = apply_findings(result(Verdict.FAIL, Cause.RAW_LOGPROBS), found)
    assert judged.cause is Cause.RAW_LOGPROBS
    assert judged.reason == "divergence"
    assert "besides" in judged.cause_evidence
    assert judged.settings == {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": False}


def test_an_engine_that_does_not_repeat_itself_on_cpu_fails():
    found = conclude_sync([probe(run(RELOAD, warm=NEW), old_again=noisy(OLD, 1e-6, 1))], RELOAD)
    assert invariants(found)["repeats-itself"].holds is False


def noisy_cold():
    return ColdRun(
        NEW, noisy(NEW, 1e-3, 1), noisy(NEW, 1e-3, 2), noisy(NEW, 1e-3, 3), cached_first=100, cached_warm=200
    )


def test_an_engine_with_a_repeat_floor_is_held_to_it():
    fine = run(RELOAD, warm=noisy(NEW, 1e-3, 4), clean=noisy(NEW, 7e-4, 5))
    found = conclude_sync([probe(fine, cold=noisy_cold(), device="cuda")], RELOAD)
    assert invariants(found)["no-stale-prefix"].holds is True
    stale = run(RELOAD, warm=noisy(NEW, 4e-3, 4), clean=noisy(NEW, 7e-4, 5))
    found = conclude_sync([probe(stale, cold=noisy_cold(), device="cuda")], RELOAD)
    assert invariants(found)["no-stale-prefix"].holds is False


def test_false_alarms_over_a_repeat_floor_are_as_rare_as_stated():
    alarms = 0
    for seed in range(300):
        cold = [noisy(NEW, 1e-3, 10 * seed + k) for k in range(3)]
        alarms += not match(cold[0], cold[1], (cold[2],)).equal
    assert alarms <= 12  # at 1%: more than 12 of 300 has a probability of 1e-5


def test_infinite_distances_count():
    infinite = ((-np.inf, *NEW[0][1:]), *NEW[1:])
    apart = distance(infinite, NEW)
    assert (apart.differing, apart.largest) == (1, np.inf)
    assert not distance(infinite, infinite).differing
    assert not match(infinite, NEW, (noisy(NEW, 1e-3, 1),)).equal


def test_sign_flips_see_a_shift_and_nothing_in_noise():
    assert sign_flip(np.full(16, 1e-4)) < 0.001
    assert sign_flip(np.array([1e-4, -1e-4] * 8)) > 0.3


def test_tokens_by_version_in_flight():
    records = tuple(SyncRecord([*old[:4], *new[4:]], before=4) for old, new in zip(OLD, NEW, strict=True))
    way = SyncWay("pause-keep", clear=True)
    kept = run(way, warm=NEW, flight=records)
    shown = judge_cases(probe(kept))[0].shown
    assert (shown.flight_old, shown.flight_new, shown.flight_mixed) == (
        4 * SEQUENCES,
        (TOKENS - 4) * SEQUENCES,
        SEQUENCES,
    )
    assert "computed anew" in shown.note
    aborted = run(SyncWay("pause-abort"), warm=STALE, flight=tuple(SyncRecord([], before=4) for _ in OLD))
    shown = judge_cases(probe(aborted))[0].shown
    assert (shown.flight_old, shown.flight_new, shown.flight_mixed) == (4 * SEQUENCES, 0, 0)
    assert "16 running sequences were aborted" in shown.note
    finished = tuple(SyncRecord(list(old), before=TOKENS) for old in OLD)
    shown = judge_cases(probe(run(SyncWay("pause-wait"), warm=STALE, flight=finished)))[0].shown
    assert (shown.flight_old, shown.flight_new, shown.flight_mixed) == (TOKENS * SEQUENCES, 0, 0)
    assert "finished with the old weights" in shown.note


def test_a_change_that_moves_nothing_compares_nothing():
    same = ColdRun(OLD, OLD, OLD, OLD)
    shown = judge_cases(probe(run(RELOAD, warm=OLD, clean=OLD), cold=same))[0].shown
    assert shown.stale is None
    assert "nothing to compare" in shown.note


def test_without_a_verdict_nothing_is_judged():
    found = conclude_sync([probe(run(RELOAD, warm=STALE))], RELOAD)
    assert apply_findings(replace(result(), verdict=None), found).verdict is None


def test_no_probe_no_findings():
    assert conclude_sync([], RELOAD).invariants == ()
