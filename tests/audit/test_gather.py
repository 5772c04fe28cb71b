"""What is left of an audit of which an arm failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import a_plan
from recorded import SAMPLES, SAMPLING, candidate, reference

from vllm_migrate.audit.evidence import CANDIDATE, NOISE_FLOOR, Evidence, recorded_run
from vllm_migrate.audit.gather import IncompleteError, without_verdict
from vllm_migrate.audit.result import Cause
from vllm_migrate.audit.run import concluded
from vllm_migrate.cli.report_output import ReportFormat, render
from vllm_migrate.errors import EngineDiedError
from vllm_migrate.workers.protocol import ReplayRecord


def replayed(name, trace):
    run = recorded_run(trace)
    run.name, run.rollouts = name, ()
    run.replay = [ReplayRecord(list(r.logprobs), [], list(r.token_ids)) for r in trace.rollouts]
    return run


@pytest.mark.parametrize("names", [(), (NOISE_FLOOR,), (CANDIDATE,), (NOISE_FLOOR, CANDIDATE)])
def test_whatever_is_finished_is_reported_without_a_verdict(names):
    theirs = reference()
    ours = candidate(theirs, shift=-0.3)
    plan = a_plan(prompts=(), sampling=SAMPLING, samples=SAMPLES, reference=Path("r.parquet"))
    arms = {name: replayed(name, theirs if name == NOISE_FLOOR else ours) for name in names}
    error = IncompleteError(
        EngineDiedError("trainer was killed", hint="its log is x"), Evidence(theirs, arms), ("reference",)
    )
    result = without_verdict(plan, error, concluded)
    assert (result.verdict, result.reason, result.cause) == (None, "engine-died", Cause.NONE)
    assert result.message.splitlines()[0] == "trainer was killed"
    assert "continues from what is finished: reference" in result.message
    assert {arm.name for arm in result.arms} == set(names)
    for arm in result.arms:
        assert arm.against_reference is not None
    for kind in ReportFormat:
        assert render("audit", result, kind)
