"""JSON and terminal reports: stable keys, valid JSON, nothing read as markup."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.audit.result import (
    AuditResult,
    Cause,
    Estimate,
    Remedy,
    Reward,
    Verdict,
)
from vllm_migrate.report.audit_json import render_json
from vllm_migrate.report.audit_terminal import render_text

KEYS = {"schema", "verdict", "reason", "cause", "settings", "remedy", "reward", "arms", "timing"}

STOPPED = AuditResult(
    verdict=None,
    reason="engine-died",
    cause=Cause.NONE,
    cause_evidence="",
    settings={},
    remedy=None,
    reward=None,
    arms=(),
    timing={"total": 3.2},
    message="v1 was killed",
)


def test_the_promised_keys_are_there_whatever_happened():
    document = json.loads(render_json(STOPPED))
    assert set(document) >= KEYS
    assert document["schema"] == "vllm-migrate-audit/1"
    assert document["verdict"] is None
    assert document["reason"] == "engine-died"
    assert document["cause"] == "none"


def test_infinite_and_missing_figures_become_null():
    reward = Reward(math.nan, 1.0, Estimate(math.inf, -math.inf, None), 0.02, 0.1, Verdict.INCONCLUSIVE, "f")
    document = json.loads(
        render_json(dataclasses.replace(STOPPED, reward=reward, timing={"x": math.nan})),
        parse_constant=pytest.fail,
    )
    assert document["reward"]["difference"] == {"value": None, "low": None, "high": None}
    assert document["timing"] == {"x": None}


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(object())),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


@given(settings=st.dictionaries(st.text(), VALUES, max_size=3), message=st.text())
def test_any_settings_make_valid_json(settings, message):
    result = dataclasses.replace(
        STOPPED, settings=settings, message=message, remedy=Remedy(settings, Verdict.INCONCLUSIVE)
    )
    text = render_json(result)
    json.loads(text, parse_constant=pytest.fail)
    assert render_text(result).startswith("NOT JUDGED (engine-died)")


def test_text_is_never_markup():
    result = dataclasses.replace(STOPPED, message="[bold red]no[/bold red] :warning: [/x]")
    assert "[bold red]no[/bold red] :warning: [/x]" in render_text(result)


@pytest.mark.parametrize("surroundings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"FORCE_COLOR": "1"}])
def test_colour_is_the_caller_s_choice(monkeypatch, surroundings):
    result = dataclasses.replace(STOPPED, verdict=Verdict.FAIL, reason="divergence")
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    assert "\x1b[1;31m" in render_text(result, colour=True)
    assert "\x1b" not in render_text(result)
