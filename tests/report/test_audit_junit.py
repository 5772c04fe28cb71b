"""The audit as JUnit: it must fail exactly where the exit code does. The results are synthetic."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.audit.result import AuditResult, Cause, Verdict
from vllm_migrate.report.audit_junit import render_junit

if TYPE_CHECKING:
    from vllm_migrate.audit.sections import Invariant

HOSTILE = "]]><evil a='\"'>&\x00\x1b[31m\u202e\ud800\ufffe\nsecond"


def cases(result: AuditResult) -> dict[tuple[str, str], ET.Element]:
    root = ET.fromstring(render_junit(result))  # noqa: S314 - our own text; strict parsing is the test
    found = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert len(found) == len(list(root.iter("testcase"))), "names must tell cases apart"
    for node in (root, *root.iter("testsuite")):
        assert int(node.get("tests")) == len(list(node.iter("testcase")))
        assert int(node.get("failures")) == len(list(node.iter("failure")))
        assert int(node.get("errors")) == len(list(node.iter("error")))
        assert int(node.get("skipped", "0")) == len(list(node.iter("skipped")))
    return found


def outcome(case: ET.Element) -> str:
    kinds = [node.tag for node in case if node.tag in {"failure", "error", "skipped"}]
    assert len(kinds) <= 1
    return kinds[0] if kinds else "passed"


def passing(full: AuditResult) -> AuditResult:
    remedy = next(arm for arm in full.arms if arm.name == "remedy")
    arms = (full.arms[0], dataclasses.replace(remedy, name="candidate"))
    held = tuple(
        dataclasses.replace(entry, holds=True if entry.holds is False else entry.holds)
        for entry in full.invariants
    )
    return dataclasses.replace(
        full, verdict=Verdict.PASS, reason="pass", cause=Cause.NONE, arms=arms, invariants=held
    )


def test_a_case_for_the_verdict_every_gate_every_invariant_and_the_reward(full: AuditResult):
    found = cases(full)
    candidate = next(arm for arm in full.arms if arm.name == "candidate")
    places = [place for place, _ in found]
    assert places.count("vllm-migrate.audit") == 1
    assert places.count("vllm-migrate.audit.gates") == len(candidate.checks)
    assert places.count("vllm-migrate.audit.invariants") == len(full.invariants)
    assert places.count("vllm-migrate.audit.reward") == 1


def test_outcomes_follow_the_verdicts(full: AuditResult):
    found = cases(full)
    assert outcome(found["vllm-migrate.audit", "verdict"]) == "failure"
    wanted = {Verdict.PASS: "passed", Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}
    candidate = next(arm for arm in full.arms if arm.name == "candidate")
    gates = [outcome(case) for (place, _), case in found.items() if place == "vllm-migrate.audit.gates"]
    assert gates == [wanted[check.verdict] for check in candidate.checks]
    assert "failure" in gates
    invariant = "vllm-migrate.audit.invariants"
    assert [outcome(case) for (place, _), case in found.items() if place == invariant] == [
        "passed",
        "failure",
        "skipped",
    ]
    assert outcome(found["vllm-migrate.audit.reward", "reward"]) == "passed"
    assert "does not gate" in "".join(found["vllm-migrate.audit.reward", "reward"].itertext())


def test_a_pass_has_no_failure_and_no_error(full: AuditResult):
    assert {outcome(case) for case in cases(passing(full)).values()} == {"passed", "skipped"}


@pytest.mark.parametrize(
    ("verdict", "reason", "kind"),
    [
        (Verdict.INCONCLUSIVE, "underpowered", "error"),
        (Verdict.INCONCLUSIVE, "reward", "error"),
        (Verdict.FAIL, "reward", "failure"),
        (None, "engine-died", "error"),
    ],
)
def test_whatever_is_no_pass_is_red(full: AuditResult, verdict, reason, kind):
    result = dataclasses.replace(
        passing(full), verdict=verdict, reason=reason, message="the engine died\nhint"
    )
    assert outcome(cases(result)["vllm-migrate.audit", "verdict"]) == kind


def test_a_reward_that_gates_is_a_gate(full: AuditResult):
    result = dataclasses.replace(passing(full), verdict=Verdict.INCONCLUSIVE, reason="reward")
    assert outcome(cases(result)["vllm-migrate.audit.reward", "reward"]) == "error"


def test_hostile_text_stays_text(full: AuditResult):
    invariant: Invariant = dataclasses.replace(full.invariants[1], name=HOSTILE, note=HOSTILE, unit=HOSTILE)
    result = dataclasses.replace(
        full,
        message=HOSTILE,
        reason=HOSTILE,
        cause_evidence=HOSTILE,
        settings={HOSTILE: HOSTILE},
        warnings=(HOSTILE,),
        invariants=(invariant,),
    )
    text = render_junit(result)
    found = cases(result)
    assert not {"\x00", "\x1b", "\u202e", "\ud800", "\ufffe"} & set(text)
    assert all(case.find(".//evil") is None for case in found.values())
    assert "<evil" in "".join(found["vllm-migrate.audit", "verdict"].itertext())
