"""The pages on changes are what the facts and rules say, and every row is on one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Effect, Subject
from vllm_migrate.rules.changes import NOT_IN_CODE, READ_ELSEWHERE, finders, pages
from vllm_migrate.rules.registry import all_rules

_DOCS = Path(__file__).parents[2] / "docs" / "changes"
_FACTS = {fact.id: fact for fact in load_facts().facts}


def test_committed_pages_are_up_to_date() -> None:
    committed = {page.name: page.read_text(encoding="utf-8") for page in _DOCS.glob("*.md")}
    assert committed == pages(), "run: python -m vllm_migrate.rules.changes docs/changes"


def test_every_row_is_in_one_table() -> None:
    rows = sum(page.count("\n| ") - 1 for name, page in pages().items() if name != "README.md")
    assert rows == len(_FACTS)


def test_rows_that_rules_read_elsewhere_are_there() -> None:
    assert set(READ_ELSEWHERE) <= set(_FACTS)


def test_what_breaks_or_changes_silently_is_found_measured_or_out_of_reach_with_a_reason() -> None:
    unseen = {
        fact.id
        for fact in _FACTS.values()
        if fact.effect in (Effect.CRASH, Effect.SILENT) and not finders(fact) and not fact.audit
    }
    assert unseen == set(NOT_IN_CODE)


def test_what_is_named_as_a_finder_is_a_rule() -> None:
    codes = {rule.code for rule in all_rules()}
    assert {code for fact in _FACTS.values() for code in finders(fact)} <= codes


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        ("swap-space", "VM201"),
        ("task", "VM202"),
        ("raw-logprobs", "VM701"),
        ("seed", "VM705"),
        ("set-tokenizer", "VM410"),
        ("llm-positional", "VM402"),
        ("trl-grpo-temperature", "VM602"),
        ("import:vllm.core.scheduler.Scheduler", "VM101"),
        ("spawned-engine", "VM801"),
    ],
)
def test_who_finds_a_row(fact: str, code: str) -> None:
    assert code in finders(_FACTS[fact])


def test_only_behaviour_defaults_and_attributes_may_crash_or_change_silently_without_a_rule() -> None:
    unseen = {
        fact.subject
        for fact in _FACTS.values()
        if fact.effect in (Effect.CRASH, Effect.SILENT) and not finders(fact)
    }
    assert unseen <= {
        Subject.BEHAVIOUR,
        Subject.ATTRIBUTE,
        Subject.DEFAULT,
        Subject.METHOD_ARGUMENT,  # of methods that users override
        Subject.TRL_DEFAULT,
    }
    overridden = [f.name for f in _FACTS.values() if f.subject is Subject.METHOD_ARGUMENT and not finders(f)]
    harmless = [f.name for f in _FACTS.values() if f.effect is Effect.NONE]
    assert all(name in harmless or name.startswith("LogitsProcessor.") for name in overridden)
