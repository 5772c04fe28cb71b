"""The audit as JUnit XML: a case for the verdict, one for each gate of the candidate and each invariant.

The report fails exactly where the exit code does: a FAIL is a failure, an INCONCLUSIVE or an audit that could
not judge is an error. Invariants that could not be tried are skipped; a reward that does not gate passes and
says what it found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.result import Verdict
from vllm_migrate.report.junit_xml import document, ended, suite
from vllm_migrate.report.numbers import estimated, in_unit, interval, limit, number
from vllm_migrate.report.part_words import invariant_figure, invariant_name
from vllm_migrate.report.reward_junit import reward_suite
from vllm_migrate.report.settings_code import setting_words
from vllm_migrate.report.style import printable
from vllm_migrate.report.words import COMPARISONS, cause_title, find_arm, headline, words_for

if TYPE_CHECKING:
    from vllm_migrate.audit.result import AuditResult, Check, Reward
    from vllm_migrate.audit.sections import Invariant
    from vllm_migrate.report.junit_xml import Case

_NAME = "vllm-migrate.audit"


def render_junit(result: AuditResult) -> str:
    """The document, with a line feed at its end."""
    suites = [suite(_NAME, [_verdict(result)])]
    candidate = find_arm(result, "candidate")
    if candidate is not None and candidate.checks:
        suites.append(suite(f"{_NAME}.gates", [_gate(check) for check in candidate.checks]))
    if result.invariants:
        suites.append(suite(f"{_NAME}.invariants", [_invariant(entry) for entry in result.invariants]))
    if result.reward is not None:
        gates = result.reason == "reward"
        suites.append(suite(f"{_NAME}.reward", [_reward(result.reward, gates=gates)]))
    if result.reward_check is not None:
        suites.append(reward_suite(result.reward_check, gates=result.reason == "reward-integrity"))
    return document(suites)


def _verdict(result: AuditResult) -> Case:
    said = [headline(result)]
    if result.verdict is not None:
        said.append(f"cause: {cause_title(result.cause)} ({result.cause.value})")
        said.append(result.cause_evidence)
    if result.settings:
        said.append(f"add: {setting_words(result.settings)}")
    said += [f"warning: {warning}" for warning in result.warnings]
    lines = [line for line in said if line]
    if result.verdict is None:
        message = result.message or f"could not judge: {result.reason}"
        return _ended("error", "verdict", _NAME, result.reason, [message, *lines[1:]])
    return _by_verdict(result.verdict, "verdict", _NAME, result.reason, lines)


def _gate(check: Check) -> Case:
    words = words_for(check.metric)
    against = COMPARISONS.get(check.comparison, check.comparison)
    value = in_unit(check.value, words.unit, words.digits)
    bounds = interval(check.low, check.high, words.unit)
    said = f"{value} {bounds}, margin {limit(check.margin, words.unit)}".replace(" ,", ",")
    name = f"{words.label} against the {against}"
    lines = [f"{check.verdict.value}: {said}", f"margin from: {check.source}" if check.source else ""]
    return _by_verdict(check.verdict, name, f"{_NAME}.gates", check.metric, lines)


def _invariant(invariant: Invariant) -> Case:
    name = invariant_name(invariant)
    lines = [line for line in (invariant_figure(invariant), invariant.note) if line]
    outcome = "skipped" if invariant.holds is None else "passed" if invariant.holds else "failure"
    return _ended(outcome, name, f"{_NAME}.invariants", invariant.name, lines or [name])


def _reward(reward: Reward, *, gates: bool) -> Case:
    said = (
        f"{reward.verdict.value}: {number(reward.reference)} to {number(reward.candidate)}, difference "
        f"{estimated(reward.difference)}, margin {limit(reward.margin)}, from {reward.method}"
    )
    place = f"{_NAME}.reward"
    if gates:
        return _by_verdict(reward.verdict, "reward", place, "reward", [said])
    return _ended("passed", "reward", place, "reward", [f"{said}; it does not gate"])


def _by_verdict(verdict: Verdict, name: str, place: str, kind: str, lines: list[str]) -> Case:
    outcome = {Verdict.PASS: "passed", Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}[verdict]
    return _ended(outcome, name, place, kind, lines)


def _ended(outcome: str, name: str, place: str, kind: str, lines: list[str]) -> Case:
    """A case with what is to be said of it; the first line is its message."""
    said = [printable(line) for entry in lines for line in entry.splitlines()]
    return ended(outcome, name, place, kind, said or [""])
