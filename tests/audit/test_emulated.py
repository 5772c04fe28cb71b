"""A stand-in for V0: what it is given, what it can't stand for, and what a report says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan
from recorded import ENOUGH, candidate, reference

from vllm_migrate.audit.compare import compare_traces
from vllm_migrate.audit.emulated import EMULATED, emulated_plan, is_emulated, stand_in
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import PARITY_RECIPE
from vllm_migrate.audit.result import Verdict
from vllm_migrate.cli.report_output import ReportFormat, render
from vllm_migrate.engines import registry
from vllm_migrate.errors import UsageError
from vllm_migrate.trace.parquet import read_trace, write_trace
from vllm_migrate.workers.protocol import SamplingSettings

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
NOT_V0 = "not the real V0"


def test_the_reference_gets_the_parity_recipe_on_top_of_what_both_sides_share():
    plan = emulated_plan(a_plan(v0=EMULATED, candidate_args={"dtype": "float32", "max_num_seqs": 8}))
    assert plan.v0_args == {"dtype": "float32", **PARITY_RECIPE}
    assert plan.candidate_args == {"dtype": "float32", "max_num_seqs": 8}


def test_other_plans_stay_as_they_are():
    plan = a_plan(v0="v0")
    assert emulated_plan(plan) is plan


def test_what_v0_did_and_v1_can_not_do_is_refused():
    both = SamplingSettings(temperature=0.7, top_p=0.9, min_p=0.05)
    with pytest.raises(UsageError, match="other order"):
        emulated_plan(a_plan(v0=EMULATED, sampling=both))
    emulated_plan(a_plan(v0=EMULATED, sampling=replace(both, top_p=1.0)))
    emulated_plan(a_plan(v0=EMULATED, sampling=replace(both, min_p=0.0)))
    with pytest.raises(UsageError, match="logprobs_mode=raw_logprobs is not what V0 did"):
        emulated_plan(a_plan(v0=EMULATED, v0_args={"logprobs_mode": "raw_logprobs"}))


def off(rollout, by):
    """The rollout's logprobs, lower by that many nats; none where that is None."""
    return () if by is None else tuple(value - by for value in rollout.logprobs)


def followed(tmp_path, engine, *, trainer):
    """A pair of traces of one and the same numbers, the reference by `engine`; the result of comparing them.

    `trainer` is how far the trainer is from the reference's logprobs, nats; None where it did not run.
    """
    theirs = reference(prompts=ENOUGH)
    theirs = replace(theirs, provenance=replace(theirs.provenance, engine=engine))
    ours = candidate(theirs)
    ours = replace(
        ours,
        rollouts=tuple(
            replace(mine, trainer=off(sampled, trainer), trainer_raw=off(sampled, trainer))
            for mine, sampled in zip(ours.rollouts, theirs.rollouts, strict=True)
        ),
    )
    write_trace(theirs, tmp_path / "reference.parquet")
    write_trace(ours, tmp_path / "candidate.parquet")
    return compare_traces(
        tmp_path / "reference.parquet", tmp_path / "candidate.parquet", clip=ClipRange(), model=None
    )


def test_every_report_says_that_it_was_not_v0(tmp_path):
    result = followed(tmp_path, "emulated V0 (v1)", trainer=0.0)
    for kind in ReportFormat:
        assert NOT_V0 in " ".join(render("audit", result, kind).split()), kind
    real = followed(tmp_path, "v0", trainer=0.0)
    for kind in ReportFormat:
        assert NOT_V0 not in " ".join(render("audit", real, kind).split()), kind


def test_a_stand_in_that_agrees_with_the_trainer_may_clear_a_candidate(tmp_path):
    result = followed(tmp_path, "emulated V0 (v1)", trainer=0.0)
    assert (result.verdict, result.reason) == (Verdict.PASS, "pass")


@pytest.mark.parametrize(
    ("trainer", "says"), [(0.05, "mean_abs against the trainer"), (None, "no trainer's")]
)
def test_one_that_does_not_clears_nobody(tmp_path, trainer, says):
    result = followed(tmp_path, "emulated V0 (v1)", trainer=trainer)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "stand-in")
    assert says in result.warnings[0]
    assert followed(tmp_path, "v0", trainer=trainer).verdict is Verdict.PASS


@pytest.mark.engine
def test_v1_stands_in_for_v0_and_its_trace_says_so(tmp_path):
    registry.require("v1")
    where = tmp_path / "reference.parquet"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vllm_migrate", "audit", "--v0", "emulated", "--quiet"),
            *("--model", str(FIXTURES / "model"), "--prompts", str(FIXTURES / "prompts.jsonl")),
            *("--limit", "16", "--samples", "2", "--sync-probe", "none"),
            *("--save-reference", str(where), "--output-format", "json"),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["cause"] == "raw-instead-of-processed-logprobs"
    arms = {arm["name"]: arm for arm in document["arms"]}
    assert arms["reference"]["engine"] == stand_in(registry.require("v1")).name
    assert arms["reference"]["runner"] == "v1-model-runner"
    assert arms["reference"]["settings"]["logprobs_mode"] == "processed_logprobs"
    assert arms["candidate"]["settings"]["logprobs_mode"] == "raw_logprobs"
    assert any(NOT_V0 in warning for warning in document["warnings"])
    assert is_emulated(read_trace(where).provenance)
