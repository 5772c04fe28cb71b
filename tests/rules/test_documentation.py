"""The committed pages are what the rules say, and each rule says what a reader needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vllm_migrate.errors import UsageError
from vllm_migrate.rules.document import document, pages
from vllm_migrate.rules.registry import all_rules, rule

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs" / "rules"


def test_committed_pages_are_up_to_date() -> None:
    committed = {page.name: page.read_text(encoding="utf-8") for page in _DOCS.glob("*.md")}
    assert committed == pages(), "run: python -m vllm_migrate.rules.document docs/rules"


@pytest.mark.parametrize("one", all_rules(), ids=lambda one: one.code)
def test_headings(one: object) -> None:
    text = document(one)  # type: ignore[arg-type]
    places = [
        text.index(heading)
        for heading in ("## What it does", "## Why it matters", "## Fix safety", "## Examples")
    ]
    assert places == sorted(places)


def test_every_rule_there_is_is_found() -> None:
    modules = (_ROOT / "vllm_migrate" / "rules").rglob("*.py")
    written = sum(page.read_text(encoding="utf-8").count("\n    summary = ") for page in modules)
    assert written == len(all_rules())


def test_codes_and_names_are_unique_and_follow_the_file() -> None:
    rules = all_rules()
    assert len({one.code for one in rules}) == len(rules) == len({one.name for one in rules})
    for one in rules:
        assert one.code.startswith("VM")
        assert (type(one).__doc__ or "").strip()
        module = __import__(type(one).__module__, fromlist=["_"])
        assert (module.__doc__ or "").startswith(f"{one.code}:")


def test_rule_by_code_or_name() -> None:
    assert rule("vm201").name == "gone-engine-argument"
    assert rule("gone-engine-argument").code == "VM201"


def test_unknown_rule_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        rule("VM20")
    assert "VM20" in caught.value.hint
    with pytest.raises(UsageError, match="no rule 'gone-engine-args'") as caught:
        rule("gone-engine-args")
    assert "gone-engine-argument" in caught.value.hint
