"""Every example of every rule, as it is written and in the forms files come in."""

from __future__ import annotations

import ast
import codecs
import re
import textwrap
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version
from rule_support import context, find, read

from vllm_migrate.edits.model import AddImport, InsertStatement, Safety
from vllm_migrate.edits.plan import plan_file
from vllm_migrate.facts.model import Engine, Remedy
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.registry import all_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.rules.base import Example, Rule

_RELEASES = [
    *(
        "0.10.2",
        "0.11.0",
        "0.11.1",
        "0.11.2",
        "0.12.0",
        "0.13.0",
        "0.14.1",
        "0.15.1",
        "0.16.0",
        "0.17.1",
        "0.18.1",
    ),
    *(
        "0.19.1",
        "0.20.2",
        "0.21.0",
        "0.22.1",
        "0.23.0",
        "0.24.0",
        "0.25.1",
        "0.26.0",
        "0.27.1",
        "0.28.0",
        "0.29.0",
    ),
    *("0.30.0", "0.31.0", "0.32.0", "0.33.0"),
]
_PARTS = [(rule, example) for rule in all_rules() for example in rule.examples]
_IDS = [f"{rule.code}-{number}" for rule in all_rules() for number, _ in enumerate(rule.examples)]


def _as_is(text: str) -> bytes:
    return text.encode()


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def _bom(text: str) -> bytes:
    return codecs.BOM_UTF8 + text.encode()


def _tabs(text: str) -> bytes:
    return re.sub(r"(?m)^(?: {4})+", lambda blank: "\t" * (len(blank[0]) // 4), text).encode()


def _no_final_newline(text: str) -> bytes:
    return text.removesuffix("\n").encode()


_FORMS: dict[str, Callable[[str], bytes]] = {
    "as-is": _as_is,
    "crlf": _crlf,
    "bom": _bom,
    "tabs": _tabs,
    "no-final-newline": _no_final_newline,
}


def _applies(form: str, example: Example) -> bool:
    if form == "tabs":
        return example.file_name.endswith(".py") and "    " in example.before
    return form in ("as-is", "no-final-newline") or not example.file_name.endswith(".sh")


_WRITTEN = [
    pytest.param(rule, example, form, id=f"{name}-{form}")
    for (rule, example), name in zip(_PARTS, _IDS, strict=True)
    for form in _FORMS
    if _applies(form, example)
]


@pytest.mark.parametrize(("rule", "example", "form"), _WRITTEN)
def test_example(rule: Rule, example: Example, form: str) -> None:
    write = _FORMS[form]
    before = write(example.before)
    facts = read(before, example.file_name, example.target)
    assert facts.kind in rule.kinds
    findings = list(rule.find(facts, context(facts.use, example.source, example.target)))
    if example.unchanged:
        assert findings == []
        return
    assert findings
    for finding in findings:
        assert finding.code == rule.code
        assert finding.name == rule.name
        assert finding.message
        assert "\n" not in finding.message
        assert "\n" not in finding.advice
        assert 0 <= finding.span.start < finding.span.end <= len(before)
        assert (finding.safety is Safety.MANUAL) == (not finding.edits) == bool(finding.advice)
        assert finding.safety is Safety.MANUAL or finding.precondition
    plan = plan_file(facts, findings, unsafe=example.unsafe)
    if example.after is None:
        assert all(finding.safety is Safety.MANUAL for finding in findings)
        assert plan.after == before
        return
    assert not plan.refused
    after = plan.after
    if form == "no-final-newline" and not example.file_name.endswith(".py"):
        after = after.removesuffix(b"\n")  # the line before the last keeps its ending when the last goes
    assert after == write(example.after)
    again = read(plan.after, example.file_name, example.target)
    second = list(rule.find(again, context(again.use, example.source, example.target)))
    assert plan_file(again, second, unsafe=True).after == plan.after


_UNSAFE = [pytest.param(*part, id=name) for part, name in zip(_PARTS, _IDS, strict=True) if part[1].unsafe]


@pytest.mark.parametrize(("rule", "example"), _UNSAFE)
def test_unsafe_edits_wait_for_the_option(rule: Rule, example: Example) -> None:
    facts = read(example.before.encode(), example.file_name, example.target)
    findings = list(rule.find(facts, context(facts.use, example.source, example.target)))
    assert any(finding.safety is Safety.UNSAFE for finding in findings)
    assert plan_file(facts, findings, unsafe=False).after != (example.after or "").encode()


_PYTHON = [
    pytest.param(rule, example, id=name)
    for (rule, example), name in zip(_PARTS, _IDS, strict=True)
    if example.file_name.endswith(".py") and rule.code not in ("VM305", "VM801")  # about the top level
]


@pytest.mark.parametrize(("rule", "example"), _PYTHON)
def test_nested_in_a_function(rule: Rule, example: Example) -> None:
    def nest(text: str) -> bytes:
        return ("def outer():\n" + textwrap.indent(text, "    ")).encode()

    before = nest(example.before)
    facts = read(before, example.file_name, example.target)
    findings = list(rule.find(facts, context(facts.use, example.source, example.target)))
    if example.unchanged:
        assert findings == []
        return
    assert findings
    plan = plan_file(facts, findings, unsafe=example.unsafe)
    ast.parse(plan.after)
    if example.after is None:
        assert plan.after == before
        return
    assert plan.after != before
    moves = any(isinstance(edit, (AddImport, InsertStatement)) for f in findings for edit in f.edits)
    if not moves:
        assert plan.after == nest(example.after)


def test_silent_before_the_change() -> None:
    checked = sum(_silent_before(rule, example) for rule, example in _PARTS if not example.unchanged)
    assert checked >= 20


def _silent_before(rule: Rule, example: Example) -> int:
    """Look with the last target before each finding's change; how many findings had one."""
    facts = {fact.id: fact for fact in context(read(b"", "a.py", "0.32.0").use).facts.facts}
    checked = 0
    for finding in find(rule, example.before, example.file_name, example.source, example.target):
        fact = facts.get(finding.fact)
        state = fact.at(Version(example.target), Engine.V1) if fact else None
        if fact is None or state is None or state.since is None or fact.package != "vllm":
            continue
        earlier = [release for release in _RELEASES if Version(release) < state.since]
        if not earlier:
            continue
        old = fact.at(Version(earlier[-1]), Engine.V1)
        if old is not None and old.remedy is not Remedy.NONE:
            continue
        checked += 1
        found = find(rule, example.before, example.file_name, example.source, earlier[-1])
        assert (finding.fact, finding.span) not in {(f.fact, f.span) for f in found}
    return checked


@pytest.mark.parametrize(("rule", "example"), [part for part in _PARTS if part[1].file_name.endswith(".py")])
def test_a_users_bad_escape_is_not_our_warning(rule: Rule, example: Example) -> None:
    """Rules that parse again do it as quietly as the first time: a warning fails a test."""
    route = (example.source, example.target)
    found = len(find(rule, example.before, example.file_name, *route))
    escaped = f'{example.before}\nDIGITS = "\\d"\n'
    assert len(find(rule, escaped, example.file_name, *route)) == found


def test_every_rule_has_an_example_found_and_one_silent() -> None:
    for rule in all_rules():
        assert any(not example.unchanged for example in rule.examples), rule.code
        assert any(example.unchanged for example in rule.examples), rule.code


# In a shell script VM701 speaks only where another file of the project trains, and an example is one file.
# Its scripts are tested in test_served_logprobs.py.
NEEDS_A_PROJECT = ("VM701",)


def test_kinds_of_examples() -> None:
    for rule in all_rules():
        found = {
            read(e.before.encode(), e.file_name, e.target).kind for e in rule.examples if not e.unchanged
        }
        assert found <= set(rule.kinds)
        if FileKind.SHELL in rule.kinds and rule.code not in NEEDS_A_PROJECT:
            assert FileKind.SHELL in found, f"{rule.code} claims shell files without an example"
