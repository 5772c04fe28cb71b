"""Verdicts from two traces, and pairs that don't belong together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import ENOUGH, candidate, reference

from vllm_migrate.audit.compare import compare_traces
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.redact import redacted_result
from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.errors import UsageError
from vllm_migrate.report.audit_json import render_json
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.trace.digest import tokens_digest
from vllm_migrate.trace.parquet import read_trace, write_trace
from vllm_migrate.trace.redact import NO_TOKEN, redacted


@pytest.fixture
def compared(tmp_path):
    def run(theirs, ours, **more):
        write_trace(theirs, tmp_path / "a.parquet")
        write_trace(ours, tmp_path / "b.parquet")
        return compare_traces(tmp_path / "a.parquet", tmp_path / "b.parquet", clip=ClipRange(), **more)

    return run


def test_equal_engines_pass(compared):
    theirs = reference(prompts=ENOUGH)
    result = compared(theirs, candidate(theirs))
    assert (result.verdict, result.cause, result.settings) == (Verdict.PASS, Cause.NONE, {})
    assert result.prompts == ENOUGH
    assert {arm.name for arm in result.arms} == {"reference", "noise-floor", "candidate"}
    assert any("need engines" in warning for warning in result.warnings)


def test_a_shift_fails_and_raw_logprobs_are_named(compared):
    theirs = reference()
    shifted = compared(theirs, candidate(theirs, shift=-0.3))
    assert (shifted.verdict, shifted.cause) == (Verdict.FAIL, Cause.UNEXPLAINED)
    raw = compared(theirs, candidate(theirs, shift=-0.3, raw=True))
    assert (raw.verdict, raw.cause) == (Verdict.FAIL, Cause.RAW_LOGPROBS)
    assert raw.settings == {"logprobs_mode": "processed_logprobs"}


def test_redacted_traces_give_the_same_figures(compared):
    theirs = reference()
    ours = candidate(theirs, shift=-0.3)
    open_result = compared(theirs, ours)
    hidden = compared(redacted(theirs), redacted(ours))
    assert hidden.verdict is open_result.verdict
    assert [arm.checks for arm in hidden.arms] == [arm.checks for arm in open_result.arms]
    assert compared(theirs, redacted(ours)).verdict is Verdict.FAIL


def test_nothing_of_a_redacted_trace_tells_what_was_said(tmp_path):
    trace = redacted(candidate(reference()))
    write_trace(trace, tmp_path / "r.parquet")
    found = read_trace(tmp_path / "r.parquet")
    for prompt in found.prompts:
        assert (prompt.text, prompt.columns, set(prompt.token_ids)) == ("", {}, {NO_TOKEN})
    for rollout in (*found.rollouts, *found.free):
        assert (rollout.text, set(rollout.token_ids), rollout.top_ids) == ("", {NO_TOKEN}, ())
    assert b"secret" not in (tmp_path / "r.parquet").read_bytes()
    assert tokens_digest(found) == tokens_digest(reference())


def test_a_redacted_result_shows_no_token(compared):
    theirs = reference()
    result = compared(theirs, candidate(theirs, shift=-0.3))
    shared = redacted_result(result)
    worst = [token for arm in shared.arms for token in arm.worst]
    assert worst
    assert {(token.token, token.before, token.after) for token in worst} == {("(redacted)", (), ())}
    assert "#" not in render_json(shared).replace("#/", "")
    assert [arm.checks for arm in shared.arms] == [arm.checks for arm in result.arms]


def test_rewards_are_computed_offline(compared, tmp_path):
    (tmp_path / "reward.py").write_text(
        "def reward(completions, **_): return [float(len(c)) for c in completions]\n"
    )
    function = RewardFunction(tmp_path / "reward.py", "reward")
    theirs = reference()
    result = compared(theirs, candidate(theirs), reward=function)
    assert result.reward is not None
    with pytest.raises(UsageError, match="redacted"):
        compared(theirs, redacted(candidate(theirs)), reward=function)


def with_provenance(trace, **changes):
    return replace(trace, provenance=replace(trace.provenance, **changes))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _, b: (b, b), "a.parquet holds a candidate's replay"),
        (lambda a, _: (a, a), "b.parquet holds tokens of its own"),
        (lambda _, b: (reference(seed=5), b), "followed another reference"),
        (lambda a, b: (replace(a, noise_floor=()), b), "no noise floor"),
        (lambda a, b: (a, with_provenance(b, weights="x")), "different weights"),
        (lambda a, b: (a, with_provenance(b, tokenizer="x")), "different tokenizer"),
        (lambda a, b: (a, with_provenance(b, chat_template="x")), "different chat template"),
        (lambda a, b: (a, with_provenance(b, model="x")), "different models"),
        (lambda a, b: (a, with_provenance(b, samples=9)), "different sampling"),
        (lambda a, b: (with_provenance(a, expires="2026-01-02"), b), "expired on 2026-01-02"),
    ],
)
def test_traces_that_do_not_belong_together_are_refused(compared, make, says):
    theirs = reference()
    ours = candidate(theirs)
    with pytest.raises(UsageError, match=says) as caught:
        compared(*make(theirs, ours))
    assert "\n" not in caught.value.message


def test_an_expired_reference_where_that_is_allowed(compared):
    theirs = reference(days=1)
    assert compared(theirs, candidate(theirs, shift=-0.3), allow_expired=True).verdict is Verdict.FAIL
