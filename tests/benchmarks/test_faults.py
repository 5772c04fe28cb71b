"""The benchmark of seeded faults: how it counts, and every fault once, under one seed, on real engines."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.engines import registry
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

SEED = 0


@pytest.fixture(scope="module")
def benchmark(imported):
    return imported("faults", "measure", "seeded")


def entry(fault, verdict, cause, wanted):
    return {"fault": fault, "verdict": verdict, "cause": cause.value, "wanted": wanted.value}


def test_a_clean_candidate_with_a_cause_or_a_fail_is_a_false_alarm(benchmark):
    alarm = benchmark.measure.alarm
    assert not alarm(entry("clean", "PASS", Cause.NONE, Cause.NONE))
    assert not alarm(entry("clean", "INCONCLUSIVE", Cause.NONE, Cause.NONE))
    assert alarm(entry("clean", "INCONCLUSIVE", Cause.PENALTIES, Cause.NONE))
    assert alarm(entry("clean", "FAIL", Cause.NONE, Cause.NONE))


def test_the_table_holds_nine_of_ten_named_and_no_false_alarm(benchmark, capsys):
    raw = next(fault for fault in benchmark.seeded.FAULTS if fault.cause is Cause.RAW_LOGPROBS)
    clean = benchmark.seeded.CLEAN[0]
    right = [entry(raw.name, "FAIL", raw.cause, raw.cause)] * 9
    wrong = [entry(raw.name, "FAIL", Cause.UNEXPLAINED, raw.cause)]
    fine = [entry(clean.name, "PASS", Cause.NONE, Cause.NONE)]
    assert benchmark.measure.report([*right, *wrong, *fine], [raw, clean])
    assert "55.5% to 99.7%" in capsys.readouterr().out
    assert not benchmark.measure.report([*right, *wrong, *wrong, *fine], [raw, clean])
    alarmed = [entry(clean.name, "FAIL", Cause.NONE, Cause.NONE)]
    assert not benchmark.measure.report([*right, *alarmed], [raw, clean])
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


def test_every_known_cause_has_a_fault_of_its_own(benchmark):
    assert len({fault.cause for fault in benchmark.seeded.FAULTS}) == len(benchmark.seeded.FAULTS) == 8
    every = [*benchmark.seeded.FAULTS, *benchmark.seeded.VARIANTS, *benchmark.seeded.CLEAN]
    assert len({fault.name for fault in every}) == len(every)


def test_a_fault_reaches_only_what_it_is_about(benchmark, tmp_path):
    faults = {fault.name: fault for fault in benchmark.seeded.FAULTS}
    of = SimpleNamespace(model=tmp_path, defaults={"top_k": 20})
    dropped = faults["penalty-dropped"].meddle(of)
    asked = {"sampling": {"temperature": 0.7, "repetition_penalty": 1.1}, "prompts": []}
    assert dropped(wire.REPLAY, asked)["sampling"] == {"temperature": 0.7, "repetition_penalty": 1.0}
    assert asked["sampling"]["repetition_penalty"] == 1.1
    assert dropped(wire.RENDER, asked) is asked
    skipped = faults["skipped-sync"].meddle(of)
    assert skipped(sync_wire.UPDATE, {"path": "new", "mode": "reload"})["path"] == str(tmp_path)
    assert skipped(wire.REPLAY, asked) is asked


def test_the_committed_figures_hold(benchmark):
    """What the benchmark's page claims is what was measured."""
    rows = json.loads(benchmark.measure.RESULT.read_text(encoding="utf-8"))["rows"]
    every = [*benchmark.seeded.FAULTS, *benchmark.seeded.VARIANTS, *benchmark.seeded.CLEAN]
    assert benchmark.measure.report(rows, every)
    assert {row["fault"] for row in rows} == {fault.name for fault in every}


@pytest.fixture(scope="module")
def audited(benchmark, tmp_path_factory):
    """One audit of every fault, and of two candidates that are right."""
    for spec in ("v0", "v1"):
        if registry.find(spec) is None:
            pytest.skip(f"engine {spec} is not installed: vllm-migrate engines install {spec}")
    faults = [*benchmark.seeded.FAULTS, *benchmark.seeded.CLEAN[:2]]
    with benchmark.measure.Bench(tmp_path_factory.mktemp("faults")) as bench:
        return faults, {row["fault"]: row for row in bench.run([SEED], faults)}


@pytest.mark.engine
def test_every_fault_is_caught_and_named_on_real_engines(audited):
    faults, rows = audited
    wrong = {
        fault.name: (rows[fault.name]["verdict"], rows[fault.name]["cause"])
        for fault in faults
        if fault.cause is not Cause.NONE
        and (rows[fault.name]["verdict"], rows[fault.name]["cause"])
        != (Verdict.FAIL.value, fault.cause.value)
    }
    assert wrong == {}


@pytest.mark.engine
def test_candidates_that_are_right_are_left_alone(benchmark, audited):
    faults, rows = audited
    clean = [rows[fault.name] for fault in faults if fault.cause is Cause.NONE]
    assert [row for row in clean if benchmark.measure.alarm(row)] == []
