"""The reward that an audit uses, asked itself: two recorded traces and real reward functions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from recorded import ENOUGH, candidate, reference

from vllm_migrate.audit.compare import compare_traces
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.redact import redacted_result
from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.reward_check import CHEAP, UNEXAMINED
from vllm_migrate.report.audit_html.page import render_html
from vllm_migrate.report.audit_json import render_json
from vllm_migrate.report.audit_junit import render_junit
from vllm_migrate.report.audit_markdown import render_markdown
from vllm_migrate.report.audit_terminal import render_text
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.registry import all_probes
from vllm_migrate.trace.parquet import write_trace

GOOD = "[float(c.endswith('.0')) for c in completions]"
NAN = "[float('nan') if not c.strip() else 1.0 * (c[-1:] == '0') for c in completions]"


@pytest.fixture
def compared(tmp_path):
    theirs = reference(prompts=ENOUGH)
    ours = candidate(theirs)
    free = tuple(replace(one, text=two.text) for one, two in zip(ours.free, theirs.rollouts, strict=True))
    write = replace(ours, free=free)

    def run(expression=GOOD, **more):
        write_trace(theirs, tmp_path / "a.parquet")
        write_trace(write, tmp_path / "b.parquet")
        (tmp_path / "r.py").write_text(f"def reward(completions, **_): return {expression}\n")
        function = RewardFunction(tmp_path / "r.py", "reward")
        traces = (tmp_path / "a.parquet", tmp_path / "b.parquet")
        return compare_traces(*traces, clip=ClipRange(), reward=function, **more)

    return run


def test_a_reward_that_was_not_examined_is_taken_for_granted_in_one_note(compared):
    result = compared()
    assert result.reward_check is None
    assert result.assumptions.count(UNEXAMINED) == 1
    assert "not examined" in render_text(result)
    assert UNEXAMINED[:40] in render_html(result)
    assert "reward" in render_markdown(result).partition("Taken for granted")[2]


def test_the_cheap_probes_are_asked_and_stand_in_every_report(compared):
    result = compared(NAN, check_reward=True)
    assert {check.probe for check in result.reward_check.checks} == set(CHEAP)
    assert result.reward_check.verdict is Verdict.FAIL
    assert UNEXAMINED not in result.assumptions
    assert "reward itself: FAIL" in render_text(result)
    assert "<h2>The reward itself</h2>" in render_html(result)
    assert "**Reward itself** FAIL" in render_markdown(result)
    assert json.loads(render_json(result))["reward_check"]["verdict"] == "FAIL"
    assert "fails, and does not gate" in render_junit(result)


def test_it_gates_only_with_require_reward(compared):
    free = compared(NAN, check_reward=True)
    assert free.verdict is Verdict.PASS
    gated = compared(NAN, check_reward=True, require_reward=True)
    assert (gated.verdict, gated.reason) == (Verdict.FAIL, "reward-integrity")
    assert "can't be trusted" in render_text(gated)
    assert "<failure" in render_junit(gated).partition("reward-check")[2]
    assert "<failure" not in render_junit(free)


def test_a_reward_that_is_fine_lets_the_audit_pass_with_require_reward(compared):
    result = compared(check_reward=True, require_reward=True)
    contract = next(check for check in result.reward_check.checks if check.probe == "contract")
    assert contract.outcome in (Outcome.PASS, Outcome.WARN)
    assert result.reason != "reward-integrity"


def test_a_redacted_report_quotes_nothing(compared):
    result = redacted_result(compared(NAN, check_reward=True))
    for render in (render_text, render_html, render_markdown, render_json, render_junit):
        assert "secret" not in render(result)
    assert any(check.figure is not None for check in result.reward_check.checks)


def test_cheap_probes_are_probes():
    assert set(CHEAP) <= {probe.name for probe in all_probes()}
